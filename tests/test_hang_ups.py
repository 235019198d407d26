"""How many steps the engine still computes for a request that was left: streaming, unary, queued, over HTTP and gRPC.

The engine's process stands still while the client hangs up, so that the steps from then on can be counted.
"""

import asyncio
import contextlib

import pytest

from service.engine_protocol.engine_config import BLOCK_SIZE
from tests.support.whole_chain import LONG, PATIENCE_S, to_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAX_NUM_SEQS = 16
MOST_STEPS = 1
"""The one that the engine was computing when it was stopped."""


async def json_answer(chain):
    """Asks over REST for a whole answer."""
    await chain.ask(**LONG)


async def server_sent_events(chain):
    """Asks over REST for a stream."""
    await chain.ask(**LONG, stream=True)


async def run(chain):
    """Asks over gRPC for a whole answer."""
    await chain.service.text_generation.Run(to_request(LONG))


async def run_stream(chain):
    """Asks over gRPC for a stream."""
    async for _ in chain.service.text_generation.RunStream(to_request(LONG)):
        pass


each_face = pytest.mark.parametrize("face", [json_answer, server_sent_events, run, run_stream])


@contextlib.asynccontextmanager
async def full_engine(chain):
    """Keeps all places of the engine taken."""
    calls = [chain.service.text_generation.RunStream(to_request(LONG)) for _ in range(MAX_NUM_SEQS)]
    try:
        await chain.until(lambda: chain.engine.stats.num_running == MAX_NUM_SEQS)
        yield
    finally:
        for call in calls:
            call.cancel()


async def leave(chain, asking):
    """Hangs up while the engine stands still, until the service has told it; then lets it go on."""
    num_others = chain.engine.num_running + chain.engine.num_waiting - 1
    with chain.frozen_engine():
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S):
            while chain.engine.num_running + chain.engine.num_waiting > num_others:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
        chain.steps.clear()
    await chain.until(lambda: any(step.aborted for step in chain.steps))
    return next(place for place, step in enumerate(chain.steps) if step.aborted)


@each_face
async def test_a_request_that_runs_is_out_of_the_next_steps_and_its_blocks_are_free(chain, face):
    chain.steps.clear()
    asking = asyncio.create_task(face(chain))
    await chain.until(lambda: any(step.outputs for step in chain.steps))
    num_steps = await leave(chain, asking)
    print(f"steps: {num_steps}")
    ended = chain.steps[num_steps]
    assert num_steps <= MOST_STEPS
    assert not any(output.id in ended.aborted for output in ended.outputs)
    assert ended.num_free_blocks * BLOCK_SIZE == chain.engine.info.num_kv_tokens


@each_face
async def test_a_request_that_waits_is_out_of_the_queue_and_no_other_is(chain, face):
    async with full_engine(chain):
        asking = asyncio.create_task(face(chain))
        await chain.until(lambda: chain.engine.stats.num_waiting == 1)
        num_steps = await leave(chain, asking)
        print(f"steps: {num_steps}")
        ended = chain.steps[num_steps]
        assert num_steps <= MOST_STEPS
        assert (ended.num_running, ended.num_waiting) == (MAX_NUM_SEQS, 0)
