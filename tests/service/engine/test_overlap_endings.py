"""How requests end while a step of theirs is in flight."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.forward.flight import Launched
from service.engine.sampling.sampled import NO_PROBABILITIES
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.weights.load import load_model
from service.engine_protocol.messages import ENGINE_FAILED, Abort, Started, StepResult, Submit
from service.engine_protocol.sampling_params import FinishReason, Priority, SamplingParams
from tests.support.deferred import OVERLAP, DeferredDevice, overlapping_engine
from tests.support.engines import finish, outputs_of, tokens_of
from tests.support.hooked_engine import (
    embedding_of,
    fail_on,
    failures,
    make_hooked_engine,
    raise_as_cuda_does,
    run_all,
    run_out_above,
)
from tests.support.worker_desk import Desk

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]

POISON = 300


@pytest.fixture(scope="module")
def model(checkpoint: Checkpoint) -> PreTrainedModel:
    return load_model(checkpoint("llama"), "cpu", "float32")


def is_whole(engine: Engine) -> bool:
    return engine.block_pool.num_free == engine.block_pool.num_blocks


def test_a_step_is_launched_before_the_one_ahead_is_waited_for(model: PreTrainedModel) -> None:
    engine, device = overlapping_engine(model)
    engine.submit("it", [5, 6, 7], SamplingParams(9))
    finish(engine)
    assert device.most_in_flight == 2


@pytest.mark.parametrize("num_blocks", [6, 8])
def test_nobody_is_preempted_while_a_step_is_in_flight(
    model: PreTrainedModel, reference: Reference, num_blocks: int
) -> None:
    engine, _ = overlapping_engine(model, num_blocks=num_blocks)
    prompts = {str(number): [5 + number] * 20 for number in range(3)}
    for request_id, prompt in prompts.items():
        engine.submit(request_id, prompt, SamplingParams(60))
    outputs = finish(engine)
    assert engine.scheduler.num_preemptions > 0
    assert all(tokens_of(outputs, it) == reference("llama", prompt, 60) for it, prompt in prompts.items())


def test_a_request_that_must_know_its_tokens_is_never_ahead_of_them(model: PreTrainedModel) -> None:
    engine, device = overlapping_engine(model)
    engine.submit("it", [5, 6, 7], SamplingParams(9, presence_penalty=0.5))
    engine.submit("beside", [5, 6, 7], SamplingParams(9))
    finish(engine)
    assert device.most_in_flight == 1


def test_nothing_is_computed_past_max_tokens(model: PreTrainedModel) -> None:
    engine, device = overlapping_engine(model)
    engine.submit("it", [5, 6, 7], SamplingParams(9))
    assert [output.finish_reason for output in finish(engine)] == [None] * 8 + [FinishReason.LENGTH]
    assert device.num_launched == 9


def test_a_token_drawn_behind_the_last_is_dropped(model: PreTrainedModel, reference: Reference) -> None:
    tokens = reference("llama", [5] * 14, 20)
    engine, device = overlapping_engine(model)
    engine.submit("it", [5] * 14, SamplingParams(20, eos_token_ids=frozenset({tokens[2]})))
    num_tokens = tokens.index(tokens[2]) + 1
    outputs = finish(engine)
    assert tokens_of(outputs, "it") == tokens[:num_tokens]
    assert outputs[-1].finish_reason is FinishReason.STOP
    assert device.num_launched == num_tokens + 1
    assert is_whole(engine)


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_an_abort_frees_the_blocks_while_a_step_is_in_flight(model: PreTrainedModel, num_steps: int) -> None:
    engine, _ = overlapping_engine(model, max_num_seqs=8, max_num_batched_tokens=16)
    engine.submit("it", [5] * 30, SamplingParams(100))
    for _ in range(num_steps):
        engine.step()
    engine.abort("it")
    assert is_whole(engine)
    assert engine.has_work, "the step in flight"
    assert finish(engine) == []


def test_blocks_of_a_step_in_flight_serve_the_next_request(model: PreTrainedModel, reference: Reference) -> None:
    engine, _ = overlapping_engine(model, num_blocks=4)
    engine.submit("gone", [9] * 40, SamplingParams(20))
    engine.step()
    engine.abort("gone")
    engine.submit("it", [5] * 40, SamplingParams(20))
    assert tokens_of(finish(engine), "it") == reference("llama", [5] * 40, 20)


def test_an_online_request_is_let_in_while_batch_requests_fill_the_engine(model: PreTrainedModel) -> None:
    engine, _ = overlapping_engine(model, max_num_seqs=1)
    engine.submit("batch", [5], SamplingParams(200), Priority.BATCH)
    engine.step()
    engine.submit("online", [6], SamplingParams(3))
    outputs = [output.id for _ in range(5) for output in outputs_of(engine)]
    assert outputs == ["batch", "online", "online", "online", "batch"]


def test_nan_fails_its_request_alone_though_the_next_step_was_launched(
    model: PreTrainedModel, reference: Reference
) -> None:
    poisoned = copy.deepcopy(model)
    embedding_of(poisoned).weight.data[POISON] = torch.nan  # type: ignore[operator]  # a parameter
    engine, _ = overlapping_engine(poisoned)
    engine.submit("poisoned", [5, POISON, 7], SamplingParams(20, temperature=1.0, top_p=0.9, num_logprobs=2))
    engine.submit("beside", [5] * 20, SamplingParams(20, num_logprobs=0))
    result = run_all(engine)
    assert failures(result) == {"poisoned": NO_PROBABILITIES}
    assert tokens_of(result.outputs, "beside") == reference("llama", [5] * 20, 20)


def run_beside_one_that_breaks(desk: Desk) -> list[Any]:
    """Lets a request come whose step raises, while the last step of another is in flight; all messages."""
    desk.turn(Submit("last", [5, 6, 7], SamplingParams(2)), Submit("first", [8] * 3, SamplingParams(20)))
    messages = desk.turn(Submit("broken", [99], SamplingParams(20)), Submit("next", [8] * 20, SamplingParams(20)))
    while desk.engine.has_work:
        messages += desk.turn()
    return messages


@pytest.mark.parametrize("is_told_later", [False, True])
def test_an_exception_fails_the_sequences_of_its_step_and_all_others_get_their_tokens(
    checkpoint: Checkpoint, reference: Reference, is_told_later: bool
) -> None:
    hook, launch_work = fail_on(99, ValueError("a wrong shape")), DeferredDevice().launch if is_told_later else Launched
    desk = Desk(make_hooked_engine(checkpoint("llama"), hook, launch_work, accelerations=OVERLAP, max_num_seqs=3))
    results = [message for message in run_beside_one_that_breaks(desk) if isinstance(message, StepResult)]
    ended = [(failure.id, failure.message) for result in results for failure in result.failed]
    assert ended == [("first", ENGINE_FAILED), ("broken", ENGINE_FAILED)]
    outputs = [output for result in results for output in result.outputs]
    assert tokens_of(outputs, "last") == reference("llama", [5, 6, 7], 2)[1:], "its first came before"
    assert tokens_of(outputs, "next") == reference("llama", [8] * 20, 20)
    assert is_whole(desk.engine)


def test_memory_that_runs_out_at_a_launch_fails_the_newest_and_nobody_in_flight(
    checkpoint: Checkpoint, reference: Reference
) -> None:
    hook = run_out_above(20, raise_as_cuda_does)
    engine = make_hooked_engine(checkpoint("llama"), hook, accelerations=OVERLAP, max_num_seqs=4)
    engine.submit("oldest", [5, 6, 7], SamplingParams(20))
    outputs = outputs_of(engine)
    engine.submit("newest", [7] * 22, SamplingParams(20))
    result = run_all(engine)
    assert failures(result).keys() == {"newest"}
    assert tokens_of(outputs + result.outputs, "oldest") == reference("llama", [5, 6, 7], 20)


def test_a_request_that_found_no_memory_is_told_though_another_step_raises(checkpoint: Checkpoint) -> None:
    engine = make_hooked_engine(checkpoint("llama"), run_out_above(20, raise_as_cuda_does), accelerations=OVERLAP)
    engine.submit("large", [7] * 22, SamplingParams(20))

    def launch(scheduled: list[ScheduledSequence]) -> None:
        if scheduled[0].sequence.id == "other":
            raise RuntimeError("a step fails")
        engine.submit("other", [5], SamplingParams(20))

    assert [failure.id for failure in engine.step(launch).failed] == ["large", "other"]


def test_a_lone_request_has_its_first_token_with_the_first_turn(model: PreTrainedModel) -> None:
    desk = Desk(overlapping_engine(model)[0])
    started, result = desk.turn(Submit("it", [5, 6], SamplingParams(3)))
    assert started == Started(["it"])
    assert [output.id for output in result.outputs] == ["it"]
    assert [[len(message.outputs) for message in desk.turn()] for _ in range(2)] == [[1], [1]]
    assert not desk.engine.has_work


def test_an_abort_is_acknowledged_with_its_blocks_free_and_nothing_follows(model: PreTrainedModel) -> None:
    desk = Desk(overlapping_engine(model)[0])
    desk.turn(Submit("it", [5, 6], SamplingParams(100)))
    (result,) = desk.turn(Abort("it"))
    assert (result.aborted, result.outputs) == (["it"], [])
    assert result.num_free_blocks == desk.engine.block_pool.num_blocks
    assert not desk.engine.has_work
