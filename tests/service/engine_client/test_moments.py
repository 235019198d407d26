"""When a request came to its turns in an engine's process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from service.engine_client.moments import Moments
from service.engine_client.process import EngineProcess
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import GrammarKind, GrammarSpec, Submit
from service.engine_protocol.sampling_params import SamplingParams
from service.errors import UnsatisfiableFormatError
from tests.support.engine_states import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(checkpoint: Callable[[str], Path]) -> AsyncIterator[EngineProcess]:
    """A process that runs one request at a time."""
    process = EngineProcess(EngineConfig(checkpoint("llama"), kv_cache_memory_mib=8, num_threads=1, max_num_seqs=1))
    await process.start()
    await process.wait_until_ready()
    yield process
    await process.stop()


async def complete(process: EngineProcess, moments: Moments, max_tokens: int, name: str = "it") -> None:
    async with aclosing(process.generate(Submit(name, [5, 6, 7], SamplingParams(max_tokens)), moments)) as outputs:
        async for _ in outputs:
            pass


async def test_each_turn_is_later_than_the_one_before(process: EngineProcess) -> None:
    other = asyncio.create_task(complete(process, Moments(), 900, "other"))
    await until(process, lambda: process.num_running == 1)
    moments = Moments()
    it = asyncio.create_task(complete(process, moments, 3))
    await until(process, lambda: process.stats.num_waiting == 1)
    assert moments.submitted_at is not None
    assert moments.started_at is moments.first_token_at is moments.ended_at is None, "it waits"
    other.cancel()
    await it
    assert None not in (moments.started_at, moments.first_token_at, moments.ended_at)
    assert moments.submitted_at < moments.started_at < moments.first_token_at < moments.ended_at  # type: ignore[operator]
    assert moments.last_token_at == moments.ended_at


async def test_a_request_that_fails_tells_when(process: EngineProcess) -> None:
    moments = Moments()
    bound = Submit("it", [5, 6, 7], SamplingParams(9), grammar=GrammarSpec(GrammarKind.CHOICE, ("yes",)))
    with pytest.raises(UnsatisfiableFormatError):
        await anext(process.generate(bound, moments))
    assert moments.ended_at is not None
    assert moments.started_at is None, "a grammar that is compiled is no step"
