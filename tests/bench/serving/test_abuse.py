"""How requests end that are asked one after the other."""

from bench.serving.abuse import abused, ask_all
from bench.serving.open_loop import ANSWERED, REFUSED


async def test_each_end_and_each_time_is_counted():
    given = iter([ANSWERED, REFUSED] * 5)

    async def ask() -> str:
        return next(given)

    ends, times_s = await ask_all(ask, num_requests=10, num_clients=2)
    assert ends == {ANSWERED: 5, REFUSED: 5}
    assert len(times_s) == 10


def test_nobody_sends_nothing():
    with abused("nobody", "127.0.0.1:1") as num_sent:
        assert num_sent.value == 0
