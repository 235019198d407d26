"""SIGTERM under load: what runs is answered to its end, what comes is refused at once, and the process ends well."""

import asyncio
import signal

import pytest

from tests.support.chaos_load import ANSWERED, TOLD, asking
from tests.support.separate_stack import separate_stack

TOKENS = 300


@pytest.fixture(scope="module")
def apart():
    """Bridge and service, of which one ends in each test."""
    with separate_stack() as stack:
        yield stack


@pytest.fixture
def stack(apart):
    """Both running, which drain for longer than any request takes."""
    if "service" not in apart.processes:
        apart.start_service(RUNSTREAM_SERVICE_DRAIN_TIMEOUT_S="100")
    if "bridge" not in apart.processes:
        apart.start_bridge(RUNSTREAM_BRIDGE_SHUTDOWN_GRACE_S="100")
    return apart


async def refusal_of(way):
    """The first request that a process which is ending refuses."""
    while (end := await way(0, 1)).kind == ANSWERED:
        pass
    return end


@pytest.mark.parametrize("name", ["bridge", "service"])
async def test_a_process_that_is_told_to_end_drains(stack, name):
    async with asking(stack) as asker:
        running = [asyncio.create_task(way(number, TOKENS)) for way in asker.ways.values() for number in range(2)]
        await asker.until_begun(6)
        process = stack.processes[name]
        process.send_signal(signal.SIGTERM)
        refused = await refusal_of(asker.native)
        if name == "service":
            assert refused.kind == TOLD
            assert refused.text.startswith("503 2: "), "with Retry-After"
        assert {end.kind for end in await asyncio.gather(*running)} == {ANSWERED}
        await asyncio.to_thread(process.wait)
        log = stack.stop(name)
    assert process.returncode == 0
    assert "Traceback" not in log
