"""CountTokens says what Run's usage says, of whatever input, and generates nothing."""

import grpc
import pytest
from google.rpc import error_details_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.rpc.calls import Calls
from tests.support.running_service import MODEL, ask, details, error_info, run_edge

pytestmark = pytest.mark.asyncio(loop_scope="session")

ABSENT = "@test/absent"


def tokens(*values: int, model: str = MODEL) -> pb.RunRequest:
    """A request whose prompt is token ids."""
    params = pb.SamplingParams(temperature=0.0, max_tokens=5)
    return pb.RunRequest(model=model, prompt_token_ids=pb.TokenIds(values=values), sampling_params=params)


def with_tool(request: pb.RunRequest) -> pb.RunRequest:
    request.tools.append(pb.Tool(name="clock", description="Tells the time"))
    return request


def cut(request: pb.RunRequest, most: int) -> pb.RunRequest:
    request.truncate_prompt_tokens = most
    return request


def continued(request: pb.RunRequest) -> pb.RunRequest:
    request.conversation.continue_final_message = True
    return request


async def count(stubs, request: pb.RunRequest) -> pb.CountTokensResponse:
    return await stubs.text_generation.CountTokens(pb.CountTokensRequest(request=request))


async def refusal(stubs, request: pb.RunRequest) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await count(stubs, request)
    return caught.value


REQUESTS = {
    "conversation": ask("Hello </s> 你好", max_tokens=5),
    "long": ask("Hello " * 1000, max_tokens=5),
    "raw": pb.RunRequest(
        model=MODEL, prompt=pb.Prompt(text="Hello", raw=True), sampling_params=pb.SamplingParams(temperature=0)
    ),
    "tokens": tokens(5, 6, 7),
    "tools": with_tool(ask(max_tokens=5)),
    "cut": cut(ask(max_tokens=5), 4),
    "continued": continued(ask(max_tokens=5)),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=list(REQUESTS))
async def test_it_counts_what_run_reads(running, request_):
    counted = await count(running, request_)
    answer = await running.text_generation.Run(request_)
    assert (counted.prompt_tokens, counted.served_model) == (answer.usage.prompt_tokens, MODEL)
    assert counted.max_prompt_tokens == 8000
    again = tokens(*counted.token_ids)
    again.sampling_params.CopyFrom(request_.sampling_params)
    assert (await running.text_generation.Run(again)).text == answer.text
    assert await running.is_idle()


async def test_only_the_prompt_matters(running):
    request = ask(temperature=99, max_tokens=-1)
    request.stop_sequences.append("")
    assert (await count(running, request)).token_ids == (await count(running, ask())).token_ids


async def test_a_prompt_that_is_too_long_is_counted_without_its_tokens(running):
    at_most, over = [await count(running, tokens(*[5] * number)) for number in (8000, 8001)]
    assert (at_most.prompt_tokens, len(at_most.token_ids)) == (8000, 8000)
    assert (over.prompt_tokens, len(over.token_ids), over.max_prompt_tokens) == (8001, 0, 8000)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RunRequest(model=MODEL), "input"),
        (tokens(), "prompt_token_ids.values"),
        (tokens(5, 512), "prompt_token_ids.values"),
        (cut(tokens(5), 0), "truncate_prompt_tokens"),
    ],
)
async def test_a_field_at_fault_is_named_from_the_outer_request(running, request_, field):
    error = await refusal(running, request_)
    assert (error.code(), error_info(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    bad_request = details(error, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad_request.field_violations] == [f"request.{field}"]


async def test_models_that_can_not_answer_are_told_apart(running):
    assert error_info(await refusal(running, ask(model="@test/unknown"))).reason == "MODEL_NOT_FOUND"
    assert error_info(await refusal(running, ask(model=ABSENT))).reason == "WEIGHTS_MISSING"


async def test_a_stand_in_counts_text_and_refuses_token_ids(running):
    async with run_edge(running, Calls(default_timeout_s=60), stand_in=MODEL) as edge:
        counted = await count(edge, ask(model=ABSENT))
        assert (counted.served_model, counted.prompt_tokens) == (MODEL, len(counted.token_ids))
        for call in (count, lambda stubs, request: stubs.text_generation.Run(request)):
            with pytest.raises(grpc.aio.AioRpcError, match="the model that stands in") as caught:
                await call(edge, tokens(5, model=ABSENT))
            assert error_info(caught.value).reason == "INVALID_REQUEST"


async def test_a_drained_service_counts_no_more(running):
    calls = Calls(default_timeout_s=60)
    async with run_edge(running, calls) as edge:
        await calls.drain(timeout_s=1)
        assert error_info(await refusal(edge, ask())).reason == "MODEL_NOT_READY"
