"""An engine whose model is shared by two processes, and what becomes of them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.engine_client.process import EngineProcess
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import Submit
from service.engine_protocol.sampling_params import SamplingParams
from service.errors import EngineFailedError, ModelNotReadyError
from tests.support.checkpoints import save_tiny_model
from tests.support.engine_states import until
from tests.support.engines import finish, make_engine, tokens_of
from tests.support.processes import handles_of_descendants, needs_pidfd, wait_for_the_end_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = SamplingParams(400)
NUM_KV_TOKENS = 512
PROMPTS = [[7 + row % 3] * 5 + list(range(40, 80)) + [row] for row in range(10)]
"""Three kinds of beginnings, so that some share blocks with others."""

PARAMS = [SamplingParams(60, temperature=row % 2, seed=row) for row in range(10)]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With heads so large that a cache of 1 MiB is small."""
    return save_tiny_model(tmp_path_factory.mktemp("llama"), head_dim=128)


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With biases and a sliding window."""
    settings = {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 0, "head_dim": 128}
    return save_tiny_model(tmp_path_factory.mktemp("windowed"), "qwen2", **settings)


def make_process(checkpoint: Path, **settings: Any) -> EngineProcess:
    config = EngineConfig(checkpoint, kv_cache_memory_mib=1, num_threads=1, max_num_seqs=8, other_devices=("cpu",))
    return EngineProcess(config, **settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(llama: Path) -> AsyncIterator[EngineProcess]:
    process = make_process(llama, stall_timeout_s=1.0, stall_kill_s=10.0)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def process(shared: EngineProcess) -> EngineProcess:
    await shared.wait_until_ready()
    return shared


def ranks_below(process: EngineProcess) -> list[int]:
    """A handle on each rank but the first, for `wait_for_the_end_of`."""
    handles: list[int] = handles_of_descendants(process.pid)
    assert len(handles) == 1
    return handles


async def complete(process: EngineProcess, name: str, prompt: list[int], params: SamplingParams) -> list[int]:
    async with contextlib.aclosing(process.generate(Submit(name, prompt, params))) as outputs:
        return [token_id async for output in outputs for token_id in output.token_ids]


async def complete_all(process: EngineProcess) -> list[list[int]]:
    """The completions of all prompts, beside requests that come and are aborted."""
    tasks = [
        asyncio.create_task(complete(process, str(row), prompt, params))
        for row, (prompt, params) in enumerate(zip(PROMPTS, PARAMS, strict=True))
    ]
    for row in range(5):
        aborted = process.generate(Submit(f"aborted {row}", [9, row], LONG))
        await anext(aborted)
        await aborted.aclose()
    return await asyncio.gather(*tasks)


def completions_of_one_rank(checkpoint: Path) -> list[list[int]]:
    engine = make_engine(checkpoint)
    for row, (prompt, params) in enumerate(zip(PROMPTS, PARAMS, strict=True)):
        engine.submit(str(row), prompt, params)
    outputs = finish(engine)
    return [tokens_of(outputs, str(row)) for row in range(len(PROMPTS))]


async def test_two_ranks_give_the_tokens_of_one(process: EngineProcess, llama: Path) -> None:
    assert process.info is not None
    assert process.info.num_kv_tokens == NUM_KV_TOKENS
    assert await complete_all(process) == completions_of_one_rank(llama)
    assert process.stats.num_preemptions > 0
    await until(process, lambda: process.stats.num_running == process.stats.num_waiting == 0)
    assert process.stats.num_free_blocks * 16 == NUM_KV_TOKENS


@needs_pidfd
async def test_an_engine_ends_with_its_second_rank_and_is_started_again(process: EngineProcess, llama: Path) -> None:
    ran = asyncio.create_task(complete(process, "ran", [5, 6], LONG))
    await until(process, lambda: process.num_running == 1)
    (rank,) = ranks_below(process)
    signal.pidfd_send_signal(rank, signal.SIGKILL)
    with pytest.raises(EngineFailedError):
        await ran
    await process.wait_until_ready()
    assert await complete_all(process) == completions_of_one_rank(llama)


@needs_pidfd
async def test_an_engine_whose_second_rank_is_wedged_is_killed_as_a_whole(process: EngineProcess) -> None:
    ran = asyncio.create_task(complete(process, "ran", [5, 6], LONG))
    await until(process, lambda: process.num_running == 1)
    num_restarts, (rank,) = process.num_restarts, ranks_below(process)
    signal.pidfd_send_signal(rank, signal.SIGSTOP)
    with pytest.raises(EngineFailedError):
        await ran
    wait_for_the_end_of([rank])
    await process.wait_until_ready()
    assert process.num_restarts == num_restarts + 1


@needs_pidfd
async def test_an_idle_engine_ends_with_its_second_rank_too(process: EngineProcess) -> None:
    (rank,) = ranks_below(process)
    assert process.pid is not None
    first = os.pidfd_open(process.pid)
    signal.pidfd_send_signal(rank, signal.SIGKILL)
    wait_for_the_end_of([first])
    await process.stop()


@needs_pidfd
async def test_no_rank_outlives_the_first(windowed: Path) -> None:
    process = make_process(windowed)
    await process.start()
    await process.wait_until_ready()
    assert await complete_all(process) == completions_of_one_rank(windowed)
    ranks = ranks_below(process)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_for_the_end_of(ranks)
    await process.stop()


async def test_a_checkpoint_that_can_not_be_shared_is_told(tmp_path: Path) -> None:
    process = make_process(
        save_tiny_model(tmp_path / "odd", hidden_size=48, num_attention_heads=3, num_key_value_heads=3)
    )
    await process.start()
    with pytest.raises(ModelNotReadyError, match="its 3 attention heads can't be divided by 2; possible: none"):
        await process.wait_until_ready()
    assert process.state is EngineState.FAILED
    await process.stop()
