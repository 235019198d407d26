"""What the service refuses: each with its status, its reason and, for a field at fault, its name."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.engine_states import until
from tests.support.running_service import MODEL, ask, details, error_info

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refusal(running, request: pb.RunRequest) -> grpc.aio.AioRpcError:
    """The error that Run gives, which RunStream must give too."""
    with pytest.raises(grpc.aio.AioRpcError) as streamed:
        await running.text_generation.RunStream(request).read()
    with pytest.raises(grpc.aio.AioRpcError) as whole:
        await running.text_generation.Run(request)
    assert (streamed.value.code(), streamed.value.details()) == (whole.value.code(), whole.value.details())
    return whole.value


def stopping_at(*stop_token_ids: int) -> pb.RunRequest:
    """A request with stop tokens."""
    request = ask()
    request.stop_token_ids.extend(stop_token_ids)
    return request


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RunRequest(model=MODEL), "input"),
        (pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="")), "prompt.text"),
        (ask(temperature=5.1), "sampling_params.temperature"),
        (ask(max_tokens=0), "sampling_params.max_tokens"),
        (ask(min_p=1.1), "sampling_params.min_p"),
        (ask(max_tokens=5, min_tokens=6), "sampling_params.min_tokens"),
        (ask(logit_bias={512: 1.0}), "sampling_params.logit_bias"),
        (ask(allowed_token_ids=[5, 512]), "sampling_params.allowed_token_ids"),
        (ask(bad_words=["a", ""]), "sampling_params.bad_words[1]"),
        (stopping_at(512), "stop_token_ids"),
        (stopping_at(*range(65)), "stop_token_ids"),
    ],
)
async def test_a_field_at_fault_is_named(running, request_, field):
    error = await refusal(running, request_)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "INVALID_REQUEST"
    bad_request = details(error, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad_request.field_violations] == [field]
    assert error.details() == bad_request.field_violations[0].description


async def test_an_unknown_model_is_not_found(running):
    error = await refusal(running, ask(model="@test/unknown"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error_info(error).reason == "MODEL_NOT_FOUND"
    assert error_info(error).metadata["model"] == "@test/unknown"


async def test_an_error_that_quotes_the_client_stays_short_enough_to_arrive(running):
    error = await refusal(running, ask(model="é" * 100_000))
    assert error_info(error).reason == "MODEL_NOT_FOUND"
    assert len(error.details() or "") < 500


async def test_a_model_without_weights_says_how_to_fetch_them(running):
    error = await refusal(running, ask(model="@test/absent"))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert error_info(error).reason == "WEIGHTS_MISSING"
    assert "python -m service pull @test/absent" in (error.details() or "")


async def test_a_prompt_that_is_too_long_says_by_how_much(running):
    error = await refusal(running, ask("x" * 9_000))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(error).reason == "CONTEXT_WINDOW_EXCEEDED"
    assert int(error_info(error).metadata["num_prompt_tokens"]) > 9_000
    assert error_info(error).metadata["max_prompt_tokens"] == "8000"


async def test_max_tokens_that_does_not_fit_beside_the_prompt_is_refused(running):
    error = await refusal(running, ask("x" * 3_000, max_tokens=30_000))
    assert error_info(error).reason == "CONTEXT_WINDOW_EXCEEDED"
    assert "exceeded this model context window limit (32000)" in (error.details() or "")
    error = await refusal(running, ask(max_tokens=30_001))
    assert error_info(error).reason == "CONTEXT_WINDOW_EXCEEDED"


async def test_the_chat_templates_own_words_reach_the_client(running):
    message = pb.Message(role="wizard", content=[pb.ContentPart(text="hi")])
    error = await refusal(running, pb.RunRequest(model=MODEL, conversation=pb.Conversation(messages=[message])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Only system, user and assistant roles are supported" in (error.details() or "")


async def test_a_message_over_16_mib_is_refused_by_grpc_itself(running):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.text_generation.Run(ask("a" * (17 << 20)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_requests_than_may_wait_are_told_to_come_back(running):
    calls = [running.text_generation.RunStream(ask(max_tokens=20_000)) for _ in range(24)]
    first_parts = [asyncio.ensure_future(call.read()) for call in calls]
    done, _ = await asyncio.wait(first_parts, return_when=asyncio.FIRST_EXCEPTION)
    refused = next(call for call, part in zip(calls, first_parts, strict=True) if part in done and part.exception())
    errors = [error for task in done if isinstance(error := task.exception(), grpc.aio.AioRpcError)]
    for call in calls:
        call.cancel()
    await asyncio.gather(*first_parts, return_exceptions=True)
    await until(running.engine, lambda: running.engine.num_running + running.engine.num_waiting == 0)
    assert tuple(await refused.initial_metadata()) == (), "after headers gRPC does not ask again by itself"
    assert errors[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error_info(errors[0]).reason == "QUEUE_FULL"
    assert details(errors[0], error_details_pb2.RetryInfo) is not None
