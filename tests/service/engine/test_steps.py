"""The engine's loop on a runner without a model: what it calls and when, what it reports, how it takes errors."""

from typing import Any, cast

import pytest
import torch

from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine_protocol.messages import ENGINE_FAILED, Failure, StepOutput
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from tests.support.engines import finish, outputs_of, tokens_of
from tests.support.fake_runner import NUM_BLOCKS, FakeRunner, engine_on

LOST = torch.AcceleratorError("CUDA error: device-side assert triggered")


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


def test_a_request_grows_by_a_token_in_each_step_until_its_end(runner: FakeRunner) -> None:
    engine = engine_on(runner)
    engine.submit("a", [7, 7, 7], SamplingParams(2))
    first, last = engine.step(), engine.step()
    assert first.outputs == [StepOutput("a", 3, None)]
    assert (first.num_running, first.num_waiting, first.num_free_blocks) == (1, 0, NUM_BLOCKS - 1)
    assert last.outputs == [StepOutput("a", 4, FinishReason.LENGTH)]
    assert (last.num_running, last.num_waiting, last.num_free_blocks) == (0, 0, NUM_BLOCKS)
    assert runner.calls == ["launch a", "wait a"] * 2


def test_a_step_without_work_calls_nothing(runner: FakeRunner) -> None:
    result = engine_on(runner).step()
    assert (result.outputs, result.failed, runner.calls) == ([], [], [])


@pytest.mark.parametrize(
    ("max_num_flights", "calls"),
    [
        (1, [["launch a", "wait a"], ["launch a", "wait a"], ["launch a", "wait a"]]),
        (2, [["launch a", "launch a", "wait a"], ["launch a", "wait a"], ["wait a"]]),
    ],
)
def test_as_many_steps_as_may_be_are_launched_before_the_oldest_is_waited_for(
    runner: FakeRunner, max_num_flights: int, calls: list[list[str]]
) -> None:
    engine = engine_on(runner, max_num_flights)
    engine.submit("a", [7], SamplingParams(3))
    for number, expected in enumerate(calls):
        runner.calls.clear()
        assert [output.token_id for output in outputs_of(engine)] == [1 + number]
        assert runner.calls == expected
    assert not engine.has_work


def test_who_asks_is_called_before_each_launch_with_its_sequences(runner: FakeRunner) -> None:
    def start(scheduled: list[ScheduledSequence]) -> None:
        runner.calls.append("start " + " ".join(item.sequence.id for item in scheduled))

    engine = engine_on(runner, max_num_flights=2)
    for name in "ab":
        engine.submit(name, [7], SamplingParams(5))
    engine.step(start)
    assert runner.calls == ["start a b", "launch a b", "start a b", "launch a b", "wait a b"]


@pytest.mark.parametrize("max_num_flights", [1, 2])
def test_nothing_follows_an_abort(runner: FakeRunner, max_num_flights: int) -> None:
    engine = engine_on(runner, max_num_flights)
    engine.submit("a", [7] * 20, SamplingParams(5))
    engine.step()
    engine.abort("a")
    result = engine.step()
    assert (result.outputs, result.failed, result.num_free_blocks) == ([], [], NUM_BLOCKS)
    assert not engine.has_work


@pytest.mark.parametrize("call", ["launch a", "wait a"])
def test_an_exception_ends_the_sequences_of_its_step_and_no_others(runner: FakeRunner, call: str) -> None:
    engine = engine_on(runner, max_num_seqs=1)
    for name in "ab":
        engine.submit(name, [7], SamplingParams(2))
    runner.errors[call] = ValueError("a wrong shape")
    result = engine.step()
    assert (result.failed, result.num_running, result.num_waiting) == ([Failure("a", ENGINE_FAILED)], 0, 1)
    assert runner.calls[-1] == "forget"
    assert tokens_of(finish(engine), "b") == [1, 2]


def test_a_step_that_fails_in_flight_lets_those_of_the_next_one_start_over(runner: FakeRunner) -> None:
    engine = engine_on(runner, max_num_flights=2)
    engine.submit("a", [7], SamplingParams(9))
    engine.step()
    engine.submit("b", [7], SamplingParams(2))
    runner.errors["wait a"] = ValueError("a wrong shape")
    assert engine.step().failed == [Failure("a", ENGINE_FAILED)]
    assert runner.calls[-3:] == ["launch a b", "wait a", "forget"]
    assert tokens_of(finish(engine), "b") == [1, 2]


def test_memory_that_runs_out_ends_the_newest_and_the_step_is_launched_without_it(runner: FakeRunner) -> None:
    engine = engine_on(runner)
    for name in "ab":
        engine.submit(name, [7], SamplingParams(1))
    runner.errors["launch a b"] = MemoryError()
    result = engine.step()
    assert result.outputs == [StepOutput("a", 1, FinishReason.LENGTH)]
    assert [failure.id for failure in result.failed] == ["b"]
    assert "out of memory" in result.failed[0].message
    assert runner.calls == ["launch a b", "forget", "launch a", "wait a"]


@pytest.mark.parametrize("call", ["launch a", "wait a"])
def test_a_lost_device_is_nothing_to_recover_from(runner: FakeRunner, call: str) -> None:
    engine = engine_on(runner)
    engine.submit("a", [7], SamplingParams(2))
    runner.errors[call] = LOST
    with pytest.raises(torch.AcceleratorError):
        engine.step()


class BrokenGrammar:
    """One whose library raises what nobody knows of."""

    is_complete = False

    def accept(self, token_id: int) -> None:
        raise RuntimeError("a bug")


def test_a_request_that_ends_in_a_step_that_then_fails_is_told_its_end(runner: FakeRunner) -> None:
    engine, grammar = engine_on(runner), cast(Any, BrokenGrammar())
    engine.submit("a", [7], SamplingParams(1))
    engine.submit("b", [7], SamplingParams(2), grammar=grammar)
    result = engine.step()
    assert result.outputs == [StepOutput("a", 1, FinishReason.LENGTH)]
    assert result.failed == [Failure("b", ENGINE_FAILED)]


def test_what_can_never_run_is_refused(runner: FakeRunner) -> None:
    engine = engine_on(runner)
    for prompt, max_tokens, reason in [([7] * 60, 5, "there is room for 64"), ([100], 1, "vocabulary of 100 tokens")]:
        with pytest.raises(ValueError, match=reason):
            engine.submit("a", prompt, SamplingParams(max_tokens))
    assert not engine.has_work
