"""The engine's own process, spoken to, killed, stopped and lost."""

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from service.engine_client.child import ENGINE_COMMAND, Spawner
from service.engine_client.process import EngineProcess
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig
from service.engine_protocol.messages import GrammarKind, GrammarSpec, Submit
from service.engine_protocol.sampling_params import FinishReason, Priority, SamplingParams
from service.errors import EngineFailedError, ModelNotReadyError, QueueFullError, UnsatisfiableFormatError
from tests.support.cancelling import each_cancel
from tests.support.engine_states import until
from tests.support.scripted_engine import scripted_engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

Checkpoint = Callable[[str], Path]
LONG = SamplingParams(900)
SCRIPTED = scripted_engine(1000)
"""Where the process is what counts, and not its tokens."""


def make_process(
    checkpoint: Path,
    max_waiting: int = 64,
    stall_timeout_s: float = 30,
    stall_kill_s: float = 0,
    command: Sequence[str] = ENGINE_COMMAND,
    **bounds: Any,
) -> EngineProcess:
    config = EngineConfig(checkpoint, kv_cache_memory_mib=8, num_threads=1, **bounds)
    return EngineProcess(config, max_waiting, 1000, stall_timeout_s, stall_kill_s, Spawner(command))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(checkpoint: Checkpoint) -> AsyncIterator[EngineProcess]:
    """One process for all tests that leave it ready; 10 sequences run at once and 2 wait."""
    process = make_process(checkpoint("llama"), max_waiting=2, stall_timeout_s=0.5, max_num_seqs=10)
    await process.start()
    yield process
    await process.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def process(shared: EngineProcess) -> AsyncIterator[EngineProcess]:
    await shared.wait_until_ready()
    yield shared
    await shared.wait_until_ready()
    await until(shared, lambda: shared.stats.num_running == shared.stats.num_waiting == 0)
    assert shared.info is not None
    assert shared.stats.num_free_blocks * BLOCK_SIZE in (0, shared.info.num_kv_tokens), "blocks are left"


async def fill(process: EngineProcess) -> list["asyncio.Task[tuple[list[int], FinishReason | None]]"]:
    """Lets as many requests run as can."""
    tasks = [asyncio.create_task(complete(process, f"ran {i}", LONG)) for i in range(10)]
    await until(process, lambda: process.num_running == 10)
    return tasks


async def cancel(tasks: list["asyncio.Task[tuple[list[int], FinishReason | None]]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def complete(
    process: EngineProcess, name: str, params: SamplingParams, priority: Priority = Priority.ONLINE
) -> tuple[list[int], FinishReason | None]:
    token_ids: list[int] = []
    reason = None
    async with contextlib.aclosing(process.generate(Submit(name, [5, 6, 7], params, priority))) as outputs:
        async for output in outputs:
            assert output.token_ids, "an output without tokens"
            assert reason is None, "an output after the last"
            token_ids += output.token_ids
            reason = output.finish_reason
    return token_ids, reason


def kill(process: EngineProcess) -> None:
    assert process.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


async def test_tokens_come_through_the_pipe_as_the_engine_draws_them(
    process: EngineProcess, reference: Callable[..., list[int]]
) -> None:
    answers = await asyncio.gather(*(complete(process, str(i), SamplingParams(20)) for i in range(10)))
    assert answers == [(reference("llama", [5, 6, 7], 20), FinishReason.LENGTH)] * 10
    assert process.num_running == process.num_waiting == 0


async def test_a_grammar_that_can_not_be_met_is_told_as_such(process: EngineProcess) -> None:
    bound = Submit("it", [5, 6, 7], LONG, grammar=GrammarSpec(GrammarKind.CHOICE, ("yes",)))
    with pytest.raises(UnsatisfiableFormatError, match="its checkpoint has no tokenizer"):
        await anext(process.generate(bound))
    assert process.num_running == process.num_waiting == 0


async def test_closing_a_completion_early_frees_its_blocks(process: EngineProcess) -> None:
    outputs = process.generate(Submit("it", [5, 6, 7], LONG))
    await anext(outputs)
    num_free_before = process.stats.num_free_blocks
    await outputs.aclose()
    await until(process, lambda: "it" in process.stats.aborted and process.stats.num_running == 0)
    assert process.stats.num_free_blocks > num_free_before


async def test_a_cancelled_request_that_still_waits_is_forgotten(process: EngineProcess) -> None:
    ran = await fill(process)
    waiting = asyncio.create_task(complete(process, "waiting", LONG))
    await until(process, lambda: process.stats.num_waiting == 1)
    waiting.cancel()
    await until(
        process, lambda: "waiting" in (now := process.stats).aborted and (now.num_running, now.num_waiting) == (10, 0)
    )
    await cancel(ran)


async def test_more_waiting_requests_than_may_are_refused(process: EngineProcess) -> None:
    tasks = await fill(process)
    tasks += [asyncio.create_task(complete(process, f"waits {i}", LONG)) for i in range(2)]
    await until(process, lambda: process.num_waiting == 2)
    with pytest.raises(QueueFullError, match="2 requests"):
        await complete(process, "one too many", LONG)
    await cancel(tasks)


async def test_more_waiting_tokens_than_may_are_refused(process: EngineProcess) -> None:
    tasks = await fill(process)
    tasks.append(asyncio.create_task(complete(process, "waits", LONG)))
    await until(process, lambda: process.num_waiting == 1)
    with pytest.raises(QueueFullError, match="3 tokens"):
        await anext(process.generate(Submit("too long", [5] * 998, SamplingParams(1))))
    await cancel(tasks)


async def test_a_batch_request_goes_after_an_online_one_that_came_later(process: EngineProcess) -> None:
    ran = await fill(process)
    ends: list[str] = []

    async def note_end(name: str, priority: Priority) -> None:
        await complete(process, name, SamplingParams(5), priority)
        ends.append(name)

    batch = asyncio.create_task(note_end("batch", Priority.BATCH))
    await until(process, lambda: process.num_waiting == 1)
    online = asyncio.create_task(note_end("online", Priority.ONLINE))
    await until(process, lambda: process.num_waiting == 2)
    await cancel(ran[:1])
    await asyncio.gather(batch, online)
    await cancel(ran)
    assert ends == ["online", "batch"]


async def test_a_killed_engine_fails_what_ran_and_answers_what_waited(process: EngineProcess) -> None:
    ran = await fill(process)
    waited = asyncio.create_task(complete(process, "waited", SamplingParams(5)))
    await until(process, lambda: process.stats.num_waiting == 1)
    kill(process)
    errors = await asyncio.gather(*ran, return_exceptions=True)
    assert [type(error) for error in errors] == [EngineFailedError] * 10
    assert not process.is_serving
    assert len((await waited)[0]) == 5
    assert process.is_serving


async def test_an_engine_without_a_sign_of_life_does_not_count_as_serving(process: EngineProcess) -> None:
    task = asyncio.create_task(complete(process, "it", LONG))
    await until(process, lambda: process.num_running == 1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    await until(process, lambda: not process.is_serving)
    os.kill(process.pid, signal.SIGCONT)
    await until(process, lambda: process.is_serving)
    assert len((await task)[0]) == 900


async def test_a_wedged_engine_is_killed_what_ran_fails_and_what_waited_is_answered(tmp_path: Path) -> None:
    process = make_process(tmp_path, stall_timeout_s=0.5, stall_kill_s=3.0, command=SCRIPTED, max_num_seqs=10)
    await process.start()
    await process.wait_until_ready()
    ran = await fill(process)
    waited = asyncio.create_task(complete(process, "waited", SamplingParams(5)))
    await until(process, lambda: process.stats.num_waiting == 1)
    wedged = process.pid
    assert wedged is not None
    os.kill(wedged, signal.SIGSTOP)
    await until(process, lambda: not process.is_serving)
    errors = await asyncio.gather(*ran, return_exceptions=True)
    assert [type(error) for error in errors] == [EngineFailedError] * 10
    assert len((await waited)[0]) == 5
    assert (process.num_restarts, process.is_serving) == (1, True)
    assert process.pid != wedged
    await process.stop()


async def test_stopping_ends_what_runs_and_leaves_no_process(checkpoint: Checkpoint) -> None:
    process = make_process(checkpoint("llama"))
    await process.start()
    await process.wait_until_ready()
    task = asyncio.create_task(complete(process, "it", LONG))
    await until(process, lambda: process.num_running == 1)
    pid = process.pid
    assert pid is not None
    await process.stop()
    with pytest.raises(ModelNotReadyError, match="shutting down"):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_an_engine_that_keeps_dying_stays_down(tmp_path: Path) -> None:
    process = make_process(tmp_path, command=SCRIPTED)
    seen: set[int | None] = {None}
    await process.start()
    while process.state is not EngineState.FAILED:
        await until(process, lambda: process.pid not in seen or process.state is EngineState.FAILED)
        seen.add(process.pid)
        kill(process)
    assert len(seen) == 1 + 5
    with pytest.raises(ModelNotReadyError, match="5 times within a minute"):
        await complete(process, "it", LONG)
    await process.stop()


async def test_a_checkpoint_that_cannot_be_loaded_is_a_state_and_not_a_loop(tmp_path: Path) -> None:
    process = make_process(tmp_path)
    await process.start()
    with pytest.raises(ModelNotReadyError, match=r"config\.json"):
        await process.wait_until_ready()
    assert process.state is EngineState.FAILED
    await process.stop()


async def test_requests_are_refused_while_the_checkpoint_loads(checkpoint: Checkpoint) -> None:
    process = make_process(checkpoint("llama"))
    await process.start()
    with pytest.raises(ModelNotReadyError, match="loading"):
        await complete(process, "it", LONG)
    await process.stop()


async def test_a_request_that_is_cancelled_anywhere_is_forgotten(process: EngineProcess) -> None:
    names = itertools.count()
    async for where in each_cancel(lambda: complete(process, f"cancelled {next(names)}", SamplingParams(3))):
        assert (process.num_running, process.num_waiting) == (0, 0), where


async def test_an_end_that_is_cancelled_anywhere_ends_requests_and_process_and_lets_it_start_again(
    tmp_path: Path,
) -> None:
    process = make_process(tmp_path, command=SCRIPTED)
    async for where in each_cancel(process.stop):
        assert (process.pid, process.state) == (None, EngineState.STOPPED), where
    await process.start()
    await process.wait_until_ready()
    request = asyncio.create_task(complete(process, "left", LONG))
    await until(process, lambda: process.num_running == 1)
    ending = asyncio.create_task(process.stop())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(ModelNotReadyError):
        await request
    await process.start()
    await process.wait_until_ready()
    await process.stop()
