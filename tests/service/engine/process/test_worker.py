"""The engine's side of the pipes."""

import contextlib
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.engine.grammars.matcher import GrammarError
from service.engine.progress import layers_noted
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.framing import pack, receive
from service.engine_protocol.messages import (
    Abort,
    Failure,
    FailureCause,
    LoadFailed,
    Loading,
    Ready,
    Started,
    StepResult,
    Submit,
    Working,
)
from service.engine_protocol.sampling_params import Priority, SamplingParams
from tests.support.engines import make_engine
from tests.support.grammars import ENDLESS, Model, choice, regex, sampled, save_model, schema
from tests.support.tokenizers import byte_level_tokenizer
from tests.support.worker_desk import Desk

Checkpoint = Callable[[str], Path]


def test_requests_that_run_for_the_first_time_are_named_before_their_step(checkpoint: Checkpoint) -> None:
    desk = Desk(make_engine(checkpoint("llama")))
    started, result = desk.turn(Submit("it", [5, 6], SamplingParams(3)))
    assert started == Started(["it"])
    assert [output.id for output in result.outputs] == ["it"]
    assert [type(message) for message in desk.turn()] == [StepResult], "one message for a step from then on"


def test_a_step_whose_layers_take_long_says_now_and_then_that_it_gets_on(checkpoint: Checkpoint) -> None:
    seconds = itertools.count()
    desk = Desk(make_engine(checkpoint("llama")), clock=lambda: next(seconds) * 0.7)
    messages = desk.turn(Submit("it", [5, 6], SamplingParams(3)))
    assert [type(message) for message in messages] == [Started, StepResult], "outside of `serve_forever` nobody asks"
    with layers_noted(desk.worker.note_layer):
        messages = desk.turn()
    assert [type(message) for message in messages] == [Working, StepResult]


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


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512)), timeout_s=5.0)
    yield model
    model.compiler.close()


def serve(desk: Desk, submit: Submit) -> tuple[list[Started], list[StepResult]]:
    """All messages up to a request's end. Its grammar may be compiled within the first turn or later."""
    messages = desk.turn(submit)
    while not (messages[-1].failed or any(output.finish_reason for output in messages[-1].outputs)):
        messages += desk.turn()
    started = [message for message in messages if isinstance(message, Started)]
    return started, [message for message in messages if isinstance(message, StepResult)]


def test_a_request_joins_the_waiting_ones_when_its_grammar_is_compiled(tiny: Model) -> None:
    desk = Desk(tiny.engine, tiny.compiler)
    started, results = serve(desk, Submit("it", [5, 6], sampled(), grammar=choice("yes", "no")))
    compiling = Started(["it"], is_compiling=True)  # should it kill the process, it must not be tried again
    assert started == [compiling, Started(["it"])]
    assert not results[-1].failed
    assert tiny.text(output.token_id for result in results for output in result.outputs) in ("yes", "no")


def test_a_refused_grammar_fails_its_request_with_the_reason(tiny: Model) -> None:
    desk = Desk(tiny.engine, tiny.compiler)
    _, results = serve(desk, Submit("it", [5, 6], sampled(), grammar=regex("(")))
    assert results[-1].failed == [Failure("it", "can't be met: unclosed group", FailureCause.GRAMMAR)]
    assert not tiny.engine.has_work


def test_an_abort_while_a_grammar_is_compiled_is_the_requests_end(tiny: Model) -> None:
    desk = Desk(tiny.engine, tiny.compiler)
    queued = Submit("queued", [5, 6], sampled(), grammar=choice("yes", "no"))
    desk.turn(Submit("endless", [5, 6], sampled(), grammar=schema(ENDLESS)), queued)
    (result,) = desk.turn(Abort("endless"), Abort("queued"))
    assert result.aborted == ["endless", "queued"]
    started, result = desk.turn(Submit("next", [5, 6], SamplingParams(1)))
    assert started == Started(["next"])
    assert [output.id for output in result.outputs] == ["next"]
    with pytest.raises(GrammarError):
        tiny.compiler.compile(regex("(")).result()  # compiled behind the endless one
    (result,) = desk.turn(Submit("last", [5, 6], SamplingParams(1)))[1:]
    assert (result.failed, [output.id for output in result.outputs]) == ([], ["last"])


@contextlib.contextmanager
def started_worker(checkpoint: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Any]]:
    """A worker's process, and its first message that is not about how far loading is."""
    command = [sys.executable, "-m", "service.engine.process"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pack(EngineConfig(checkpoint, kv_cache_memory_mib=1)))
        process.stdin.flush()
        messages = iter(lambda: receive(process.stdout), None)  # type: ignore[arg-type]
        yield process, next(message for message in messages if not isinstance(message, Loading))


def test_the_end_of_its_input_ends_the_process(checkpoint: Checkpoint) -> None:
    with started_worker(checkpoint("llama")) as (process, message):
        assert isinstance(message, Ready)
        assert message.info.dtype == "float32"
        process.communicate(timeout=120)
    assert process.returncode == 0


def test_weights_that_cannot_be_read_are_told_and_end_the_process(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("llama"), tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with started_worker(folder) as (process, message):
        assert isinstance(message, LoadFailed)
        assert "model.safetensors is no whole safetensors file" in message.message
    assert process.returncode == 0
