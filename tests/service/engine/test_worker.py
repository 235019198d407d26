"""The engine's side of the pipes."""

import io
import queue
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from service.engine.engine import Engine
from service.engine.messages import Abort, EngineConfig, Ready, Started, StepResult, Submit, pack
from service.engine.sequence import Priority, SamplingParams
from service.engine.worker import Worker, receive
from tests.service.engine.conftest import make_engine

Checkpoint = Callable[[str], Path]


class Desk:
    """A worker whose commands and results lie open."""

    def __init__(self, engine: Engine) -> None:
        self.commands: queue.SimpleQueue[Submit | Abort] = queue.SimpleQueue()
        self.results = io.BytesIO()
        self.engine = engine
        self.worker = Worker(engine, self.commands, self.results)

    def turn(self, *commands: Submit | Abort) -> list[Any]:
        for command in commands:
            self.commands.put(command)
        self.results.seek(0)
        self.results.truncate()
        self.worker.turn()
        self.results.seek(0)
        return list(iter(lambda: receive(self.results), None))


def test_requests_that_run_for_the_first_time_are_named_before_their_step(checkpoint: Checkpoint) -> None:
    desk = Desk(make_engine(checkpoint("llama")))
    started, result = desk.turn(Submit("it", [5, 6], SamplingParams(3)))
    assert started == Started(["it"])
    assert [output.id for output in result.outputs] == ["it"]
    assert [type(message) for message in desk.turn()] == [StepResult], "one message for a step from then on"


def test_an_abort_is_acknowledged_with_its_blocks_free(checkpoint: Checkpoint) -> None:
    engine = make_engine(checkpoint("llama"))
    desk = Desk(engine)
    desk.turn(Submit("it", [5, 6], SamplingParams(100)))
    (result,) = desk.turn(Abort("it"))
    assert result.aborted == ["it"]
    assert result.num_free_blocks == engine.block_pool.num_blocks


def test_priority_and_salt_reach_the_scheduler(checkpoint: Checkpoint) -> None:
    desk = Desk(make_engine(checkpoint("llama"), max_num_seqs=1))
    first = Submit("first", [5] * 33, SamplingParams(1), cache_salt="mine")
    desk.turn(first)
    started, result = desk.turn(
        Submit("batch", [5] * 33, SamplingParams(2), Priority.BATCH, "yours"), replace(first, id="online")
    )
    assert started == Started(["online"])
    assert [output.num_cached_tokens for output in result.outputs] == [32]
    started, result = desk.turn()
    assert started == Started(["batch"])
    assert [output.num_cached_tokens for output in result.outputs] == [0]


def test_a_request_that_cannot_run_fails_alone(checkpoint: Checkpoint) -> None:
    desk = Desk(make_engine(checkpoint("llama")))
    _, result = desk.turn(Submit("bad", [5] * 2000, SamplingParams(3)), Submit("good", [5], SamplingParams(3)))
    assert [failure.id for failure in result.failed] == ["bad"]
    assert [output.id for output in result.outputs] == ["good"]


def test_the_end_of_its_input_ends_the_process(checkpoint: Checkpoint) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "service.engine.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(pack(EngineConfig(checkpoint("llama"), kv_cache_memory_mib=1)))
    process.stdin.flush()
    message = receive(process.stdout)  # type: ignore[arg-type]
    assert isinstance(message, Ready)
    assert message.info.dtype == str(torch.float32).removeprefix("torch.")
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    process.stdout.close()
