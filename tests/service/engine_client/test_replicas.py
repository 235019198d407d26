"""Several engines of one model behind one handle: real processes on the CPU, one of which is killed now and then."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.engine_client.child import Spawner
from service.engine_client.process import EngineProcess
from service.engine_client.replicas import Replicas
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig
from service.engine_protocol.messages import Submit
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from service.errors import EngineFailedError, ModelNotReadyError, QueueFullError
from tests.support import engine_states
from tests.support.cancelling import each_cancel
from tests.support.scripted_engine import scripted_engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

Completion = asyncio.Task[list[int]]
LONG = SamplingParams(900)
PROMPT = [5, 6, 7] * 20
MAX_NUM_SEQS, MAX_WAITING = 3, 2
SCRIPTED = Spawner(scripted_engine(1000))


def make_replicas(*checkpoints: Path, **settings: Any) -> Replicas:
    configs = [
        EngineConfig(checkpoint, kv_cache_memory_mib=8, num_threads=1, max_num_seqs=MAX_NUM_SEQS)
        for checkpoint in checkpoints
    ]
    return Replicas([EngineProcess(config, MAX_WAITING, **settings) for config in configs])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(checkpoint: Callable[[str], Path]) -> AsyncIterator[Replicas]:
    replicas = make_replicas(checkpoint("llama"), checkpoint("llama"))
    await replicas.start()
    yield replicas
    await replicas.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def replicas(shared: Replicas) -> AsyncIterator[Replicas]:
    """Two engines, idle before and after, with all blocks free."""
    async with idle_around(shared):
        yield shared


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_scripted(checkpoint: Callable[[str], Path]) -> AsyncIterator[Replicas]:
    replicas = make_replicas(checkpoint("llama"), checkpoint("llama"), spawner=SCRIPTED)
    await replicas.start()
    yield replicas
    await replicas.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def scripted(shared_scripted: Replicas) -> AsyncIterator[Replicas]:
    """Two that compute nothing, idle before and after: for where requests go."""
    async with idle_around(shared_scripted):
        yield shared_scripted


@contextlib.asynccontextmanager
async def idle_around(replicas: Replicas) -> AsyncIterator[None]:
    """Looks before and after whether all are ready, with nothing to run."""
    await replicas.wait_until_ready()
    yield
    await replicas.wait_until_ready()
    for engine in replicas.engines:
        await complete(engine, f"last {id(engine)}", SamplingParams(1))
        assert engine.info is not None
        assert engine.stats.num_free_blocks * BLOCK_SIZE == engine.info.num_kv_tokens, "blocks are left"
    assert (replicas.num_running, replicas.num_waiting) == (0, 0)


async def complete(
    engine: Replicas | EngineProcess, name: str, params: SamplingParams = LONG, prompt: list[int] = PROMPT
) -> list[int]:
    """A whole completion."""
    token_ids: list[int] = []
    reason = None
    async with contextlib.aclosing(engine.generate(Submit(name, prompt, params))) as outputs:
        async for output in outputs:
            assert reason is None, "an output after the last"
            token_ids += output.token_ids
            reason = output.finish_reason
    assert reason is FinishReason.LENGTH
    return token_ids


_numbers = itertools.count(10)


def new_prompt() -> list[int]:
    """A prompt that shares no block with any before."""
    return [next(_numbers), *PROMPT]


async def until(engine: EngineProcess, running: int, waiting: int = 0) -> None:
    await engine_states.until(engine, lambda: (engine.num_running, engine.num_waiting) == (running, waiting))


async def run_on_both(replicas: Replicas, per_engine: int) -> tuple[list[list[int]], list[Completion]]:
    """Long requests, as many on one engine as on the other, even ones on the first: their prompts and completions."""
    prompts = [new_prompt() for _ in range(2 * per_engine)]
    tasks = [
        asyncio.create_task(complete(replicas, f"long {number}", LONG, prompt)) for number, prompt in enumerate(prompts)
    ]
    for engine in replicas.engines:
        await until(engine, min(per_engine, MAX_NUM_SEQS), max(0, per_engine - MAX_NUM_SEQS))
    return prompts, tasks


def kill(engine: EngineProcess) -> None:
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)


async def cancel(tasks: list[Completion]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_both_can_do_is_told_once(replicas: Replicas) -> None:
    info = await replicas.wait_until_ready()
    assert info.device == "cpu, cpu"
    assert (replicas.state, replicas.state_detail, replicas.num_serving) == (EngineState.READY, "", 2)
    assert (replicas.max_num_seqs, replicas.engines_per_device) == (2 * MAX_NUM_SEQS, 2)


async def test_requests_are_spread_and_each_gets_its_own_tokens(
    replicas: Replicas, reference: Callable[..., list[int]]
) -> None:
    prompts, tasks = await run_on_both(replicas, 2)
    for prompt, task in zip(prompts, tasks, strict=True):
        assert (await task)[:30] == reference("llama", prompt, 30)


async def test_prompts_that_begin_alike_share_one_engines_prefix_cache(replicas: Replicas) -> None:
    prompt = new_prompt()
    busy = asyncio.create_task(complete(replicas, "busy", LONG, new_prompt()))
    await until(replicas.engines[0], 1)
    await complete(replicas, "first", SamplingParams(3), prompt)
    await cancel([busy])
    cached = [output.num_cached_tokens async for output in replicas.generate(Submit("it", prompt, LONG))]
    assert set(cached) == {len(prompt) // BLOCK_SIZE * BLOCK_SIZE}, "the other engine had no more to do"


async def test_a_full_engine_is_passed_over_until_all_are_full(scripted: Replicas) -> None:
    prompts, tasks = await run_on_both(scripted, MAX_NUM_SEQS + MAX_WAITING)
    with pytest.raises(QueueFullError):
        await complete(scripted, "one too many")
    await cancel(tasks[::2])
    known_to_the_full_one = prompts[1]
    assert len(await complete(scripted, "it", SamplingParams(1), known_to_the_full_one)) == 1
    await cancel(tasks)


async def test_a_killed_engine_fails_what_it_ran_and_touches_nothing_of_the_other(
    replicas: Replicas, reference: Callable[..., list[int]]
) -> None:
    prompts, (on_first, on_second) = await run_on_both(replicas, 1)
    kill(replicas.engines[0])
    with pytest.raises(EngineFailedError):
        await on_first
    assert (replicas.state, replicas.is_serving, replicas.num_serving) == (EngineState.READY, True, 1)
    assert replicas.state_detail == "engine 0 on cpu: the engine failed and is being started again"
    assert len(await complete(replicas, "at once", SamplingParams(3), prompts[0])) == 3
    assert replicas.num_serving == 1, "it was answered before the engine was back"
    assert await on_second == reference("llama", prompts[1], 900)


async def test_what_waits_for_an_engine_that_dies_goes_to_the_other(scripted: Replicas) -> None:
    prompts, running = await run_on_both(scripted, MAX_NUM_SEQS)
    first, second = scripted.engines
    short = SamplingParams(5)
    waiting = [asyncio.create_task(complete(scripted, f"waits {i}", short, prompts[i])) for i in range(4)]
    for engine in (first, second):
        await until(engine, MAX_NUM_SEQS, MAX_WAITING)
    kill(first)
    await until(second, MAX_NUM_SEQS, 2 * MAX_WAITING)
    await cancel(running[1::2])
    assert [len(token_ids) for token_ids in await asyncio.gather(*waiting)] == [5] * 4
    ends = await asyncio.gather(*running[::2], return_exceptions=True)
    assert [type(end) for end in ends] == [EngineFailedError] * MAX_NUM_SEQS


async def test_what_waits_for_a_stalled_engine_goes_to_the_other_and_what_ran_goes_on(
    checkpoint: Callable[[str], Path],
) -> None:
    replicas = make_replicas(checkpoint("llama"), checkpoint("llama"), stall_timeout_s=0.5, spawner=SCRIPTED)
    await replicas.start()
    await replicas.wait_until_ready()
    prompts, running = await run_on_both(replicas, MAX_NUM_SEQS)
    first, second = replicas.engines
    waiting = asyncio.create_task(complete(replicas, "waits", SamplingParams(5), prompts[0]))
    await until(first, MAX_NUM_SEQS, 1)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGSTOP)
    await until(second, MAX_NUM_SEQS, 1)
    await cancel(running[1::2])
    assert len(await waiting) == 5
    os.kill(first.pid, signal.SIGCONT)
    assert [len(token_ids) for token_ids in await asyncio.gather(*running[::2])] == [900] * MAX_NUM_SEQS
    await replicas.stop()


async def test_what_waits_is_answered_by_the_next_process_if_both_die(scripted: Replicas) -> None:
    prompts, running = await run_on_both(scripted, MAX_NUM_SEQS)
    waiting = asyncio.create_task(complete(scripted, "waiting", SamplingParams(5), prompts[0]))
    await until(scripted.engines[0], MAX_NUM_SEQS, 1)
    for engine in scripted.engines:
        kill(engine)
    ends = await asyncio.gather(*running, return_exceptions=True)
    assert {type(end) for end in ends} == {EngineFailedError}
    assert len(await waiting) == 5


async def test_closing_a_completion_early_frees_its_blocks(replicas: Replicas) -> None:
    outputs = replicas.generate(Submit("it", PROMPT, LONG))
    await anext(outputs)
    (engine,) = [engine for engine in replicas.engines if engine.num_running]
    await outputs.aclose()
    await engine_states.until(engine, lambda: "it" in engine.stats.aborted)


async def test_an_engine_that_can_not_be_loaded_is_told_by_its_device(tmp_path: Path) -> None:
    replicas = make_replicas(tmp_path)
    await replicas.start()
    with pytest.raises(ModelNotReadyError, match=r"engine 0 on cpu: .*config\.json"):
        await replicas.wait_until_ready()
    await replicas.stop("it is over")
    assert (replicas.state, replicas.num_serving) == (EngineState.STOPPED, 0)
    with pytest.raises(ModelNotReadyError, match="it is over"):
        await complete(replicas, "it")


async def test_a_request_that_is_cancelled_anywhere_is_left_in_no_engine(replicas: Replicas) -> None:
    names = itertools.count()
    async for where in each_cancel(lambda: complete(replicas, f"cancelled {next(names)}", SamplingParams(3))):
        assert (replicas.num_running, replicas.num_waiting) == (0, 0), where


async def test_stopping_ends_what_runs_and_what_waits_and_leaves_no_process(shared_scripted: Replicas) -> None:
    _, tasks = await run_on_both(shared_scripted, MAX_NUM_SEQS + 1)
    pids = [engine.pid for engine in shared_scripted.engines]
    await shared_scripted.stop()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {ModelNotReadyError}
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
