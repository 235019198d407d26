"""The clock of batches while the machine's is set."""

from service.batches.steady_clock import SteadyClock


def test_setting_the_machines_clock_changes_nothing_and_time_goes_on():
    wall, steady = [1_000_000.0], [50.0]
    clock = SteadyClock(lambda: wall[0], lambda: steady[0])
    assert clock() == 1_000_000.0
    wall[0] += 365 * 86_400
    steady[0] += 3.0
    assert clock() == 1_000_003.0
