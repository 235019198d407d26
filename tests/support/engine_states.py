"""Waiting for an engine to be in a state, with an end that tells in which it is instead."""

import asyncio
from collections.abc import Callable

import pytest

from service.engine_client.process import EngineProcess

PATIENCE_S = 120.0


async def until(engine: EngineProcess, predicate: Callable[[], bool]) -> None:
    """Waits until `predicate` has held; fails with what the engine's handle knows if it does not come to that.

    Args:
        engine: After each of its messages and changes of state the predicate is asked.
        predicate: What is waited for.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            await engine.wait_for(predicate)
    except TimeoutError:
        stats = engine.stats
        pytest.fail(
            f"not within {PATIENCE_S:g} s: the engine is {engine.state.value} ({engine.state_detail}); "
            f"of its requests {engine.num_running} have begun and {engine.num_waiting} wait; "
            f"it said last that {stats.num_running} run and {stats.num_waiting} wait"
        )
