"""What the soak says of a slope is right for memory that is noise, and where it goes in steps."""

import random
from collections.abc import Iterator

import pytest

from bench.serving.footprint import Footprint
from bench.serving.soak import Samples

NUM_SERIES = 100
NUM_SAMPLES = 200
PERIOD_S = 18.0


def samples(kib: list[float]) -> Samples:
    footprints = [Footprint(round(each), num_files=1, num_threads=1) for each in kib]
    return Samples([place * PERIOD_S for place in range(len(kib))], footprints)


def noises(memory: float) -> Iterator[list[float]]:
    """Series without a slope, each value of which keeps so much of the one before."""
    source = random.Random(1)
    for _ in range(NUM_SERIES):
        value, series = 0.0, []
        for _ in range(NUM_SAMPLES):
            value = memory * value + source.gauss(0, 300)
            series.append(100_000 + value)
        yield series


@pytest.mark.parametrize("memory", [0.0, 0.97, 1.0])
def test_0_is_in_the_interval_of_nine_of_ten_series_that_have_no_slope(memory):
    found = [samples(series).slope() for series in noises(memory)]
    assert sum(abs(slope) <= half for slope, half in found) >= 0.9 * NUM_SERIES


def test_a_slope_is_found_in_noise():
    for series in noises(0.0):
        slope, half = samples([each + place * PERIOD_S for place, each in enumerate(series)]).slope()
        assert abs(slope - 3600) <= 2 * half
        assert slope > half


def test_memory_that_stays_what_it_is_has_no_slope():
    assert samples([100_000.0] * NUM_SAMPLES).slope() == (0.0, 0.0)
