"""Requests left at random moments, by every way in: nothing stays behind, and those beside them notice nothing."""

import asyncio
import random

import pytest

from tests.support.chaos_load import ANSWERED, End, asking, until_idle
from tests.support.separate_stack import separate_stack

NUM_LEAVING, NUM_STAYING = 12, 2
# The engine runs four at once, so most are left while they wait.
NARROW = {"RUNSTREAM_SERVICE_MAX_NUM_SEQS": "4"}
MOST_S = 0.5
STAYING_TOKENS = 12


async def leave(asker, source, count):
    """Asks so many requests, one after the other, and leaves each after a random time."""
    for _ in range(count):
        way = source.choice(list(asker.ways.values()))
        asking_it = asyncio.create_task(way(source.randrange(50), source.choice((1, 20, 400))))
        await asyncio.wait([asking_it], timeout=source.random() ** 2 * MOST_S)
        asking_it.cancel()
        await asyncio.gather(asking_it, return_exceptions=True)


async def stay(asker, place, is_over):
    """Asks the same again and again; what was answered, by way."""
    answers: dict[str, set[End]] = {}
    while not is_over.is_set():
        for name, way in asker.ways.items():
            answers.setdefault(name, set()).add(await way(place, STAYING_TOKENS))
    return answers


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=pytest.mark.stress)])
async def test_requests_that_are_left_at_random_moments_leave_nothing(count):
    with separate_stack() as stack:
        stack.start_service(**NARROW)
        stack.start_bridge()
        async with asking(stack) as asker:
            alone = [{name: {await way(place, STAYING_TOKENS)} for name, way in asker.ways.items()} for place in (0, 1)]
            is_over = asyncio.Event()
            staying = [asyncio.create_task(stay(asker, place, is_over)) for place in range(NUM_STAYING)]
            each = count // NUM_LEAVING + 1
            await asyncio.gather(*(leave(asker, random.Random(seed), each) for seed in range(NUM_LEAVING)))
            is_over.set()
            assert await asyncio.gather(*staying) == alone
            assert {end.kind for answers in alone for ends in answers.values() for end in ends} == {ANSWERED}
            await until_idle(stack)
        assert "Traceback" not in stack.stop("bridge")
        assert "Traceback" not in stack.stop("service")
