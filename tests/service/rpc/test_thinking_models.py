"""Models that think, over gRPC: thinking and answer come apart, streamed as whole, and only the answer is bound."""

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from service.output.completion import join
from tests.support.batch_requests import batch_of, created, done, results_of
from tests.support.reasoning import ANSWER, NUM_THINKING_TOKENS, TEMPLATES, THOUGHT, save_models
from tests.support.running_bridge import running_bridge
from tests.support.running_service import RunningService, ask, config, details, error_info, run_service

pytestmark = pytest.mark.asyncio(loop_scope="session")
names = pytest.mark.parametrize("name", TEMPLATES)
GREEDY = pb.SamplingParams(temperature=0)
BOOLEAN = pb.ResponseFormat(json_schema='{"type": "boolean"}')
NOW = {"enable_thinking": False}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thinking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningService]:
    catalog = save_models(tmp_path_factory.mktemp("thinking"))
    models = tuple(f"@test/{name}" for name in TEMPLATES)
    batch_db = str(tmp_path_factory.mktemp("batches") / "batches.sqlite")
    async with run_service(config(catalog, models=models, batch_db=batch_db)) as service:
        yield service


def asked(name: str, **fields: Any) -> pb.RunRequest:
    request = ask(model=f"@test/{name}")
    request.MergeFrom(pb.RunRequest(**fields))
    return request


async def both(thinking: RunningService, request: pb.RunRequest) -> pb.RunResponse:
    """The answer, which is also what the stream's parts join to."""
    whole = await thinking.text_generation.Run(request)
    joined = join([part async for part in thinking.text_generation.RunStream(request)])
    for answer in (whole, joined):
        answer.ClearField("id")
        answer.usage.ClearField("cached_prompt_tokens")
        for call in answer.tool_calls:
            call.id = ""
    assert joined == whole
    return whole


@names
async def test_what_the_model_thinks_stands_apart_from_its_answer(thinking: RunningService, name: str) -> None:
    answer = await both(thinking, asked(name))
    assert (answer.reasoning_content, answer.text) == (THOUGHT, ANSWER)
    assert answer.finish_reason == pb.FINISH_REASON_STOP
    assert answer.usage.reasoning_tokens == NUM_THINKING_TOKENS[name]
    assert answer.usage.completion_tokens == NUM_THINKING_TOKENS[name] + 1 + len(ANSWER) + 1


async def test_a_switch_of_the_template_turns_thinking_off(thinking: RunningService) -> None:
    for off in ({"chat_template_kwargs_json": json.dumps(NOW)}, {"reasoning_effort": "none"}):
        answer = await both(thinking, asked("qwen3", **off))
        assert (answer.reasoning_content, answer.text, answer.usage.reasoning_tokens) == ("", ANSWER, 0)


@names
async def test_thinking_that_is_cut_leaves_no_answer(thinking: RunningService, name: str) -> None:
    answer = await both(thinking, asked(name, sampling_params=pb.SamplingParams(max_tokens=4)))
    assert answer.reasoning_content
    assert THOUGHT.startswith(answer.reasoning_content)
    assert (answer.text, answer.finish_reason) == ("", pb.FINISH_REASON_LENGTH)
    assert answer.usage.reasoning_tokens == 4


@names
async def test_a_stop_sequence_ends_the_answer_and_not_the_thinking(thinking: RunningService, name: str) -> None:
    answer = await both(thinking, asked(name, stop_sequences=["m", "w"]))
    assert (answer.reasoning_content, answer.text, answer.matched_stop) == (THOUGHT, "Ans", "w")


@names
async def test_a_form_is_that_of_the_answer(thinking: RunningService, name: str) -> None:
    answer = await both(thinking, asked(name, response_format=BOOLEAN))
    assert answer.reasoning_content == THOUGHT
    assert json.loads(answer.text) in (True, False)


@names
async def test_a_tool_that_must_be_called_is_called_behind_the_thinking(thinking: RunningService, name: str) -> None:
    must = pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED)
    answer = await both(thinking, asked(name, tools=[pb.Tool(name="clock")], tool_choice=must))
    assert (answer.reasoning_content, answer.text) == (THOUGHT, "")
    assert [call.name for call in answer.tool_calls] == ["clock"]


@names
async def test_log_probabilities_are_those_of_all_tokens_the_thinking_s_first(
    thinking: RunningService, name: str
) -> None:
    answer = await both(thinking, asked(name, sampling_params=pb.SamplingParams(top_logprobs=0)))
    thought = answer.logprobs[: answer.usage.reasoning_tokens]
    assert b"".join(token.token for token in thought).endswith(b" hm.</think>")
    assert len(answer.logprobs) == answer.usage.completion_tokens


async def test_raw_text_has_no_thinking_and_its_answer_is_all_of_it(thinking: RunningService) -> None:
    raw = pb.Prompt(text="<|im_start|>assistant\n", raw=True)
    answer = await both(thinking, pb.RunRequest(model="@test/qwen3", prompt=raw, sampling_params=GREEDY))
    assert answer.text == f"<think> {THOUGHT}</think>\n\n{ANSWER}"
    assert answer.usage.reasoning_tokens == 0


REFUSED = {
    "chat_template_kwargs_json": ["[]", '{"messages": []}', '{"bos_token": "x"}', '{"thinkin": 1}', "{" * 99],
    "reasoning_effort": ["high", "x" * 65],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in REFUSED for value in REFUSED[field]])
async def test_what_the_template_can_t_be_told_is_refused(thinking: RunningService, field: str, value: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await thinking.text_generation.Run(asked("qwen3", **{field: value}))
    assert error_info(raised.value).reason == "INVALID_REQUEST"
    violations = details(raised.value, error_details_pb2.BadRequest)
    assert isinstance(violations, error_details_pb2.BadRequest)
    assert [violation.field for violation in violations.field_violations] == [field]


async def test_thinking_that_can_t_be_turned_off_is_not_said_to_be(thinking: RunningService) -> None:
    for off in ({"chat_template_kwargs_json": json.dumps(NOW)}, {"reasoning_effort": "none"}):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await thinking.text_generation.Run(asked("r1", **off))
        assert error_info(raised.value).reason == "INVALID_REQUEST"
    for kept in ({"chat_template_kwargs_json": '{"enable_thinking": true}'}, {"reasoning_effort": "medium"}):
        assert (await both(thinking, asked("r1", **kept))).reasoning_content == THOUGHT


async def test_a_prompt_is_counted_with_its_variables(thinking: RunningService) -> None:
    counts = []
    for kwargs in ("", json.dumps(NOW)):
        request = pb.CountTokensRequest(request=asked("qwen3", chat_template_kwargs_json=kwargs))
        counts.append((await thinking.text_generation.CountTokens(request)).prompt_tokens)
    assert counts[1] == counts[0] + 4


async def test_items_of_batches_think_as_calls_do(thinking: RunningService) -> None:
    asked_for = [asked("qwen3"), asked("qwen3", reasoning_effort="none"), asked("qwen3", response_format=BOOLEAN)]
    batch = await created(thinking, batch_of(asked_for, model="@test/qwen3"))
    await done(thinking, batch.id)
    results = await results_of(thinking, batch.id)
    for request, result in zip(asked_for, results, strict=True):
        answer = await both(thinking, request)
        told = result.response.reasoning_content, result.response.text, result.response.usage.reasoning_tokens
        assert told == (answer.reasoning_content, answer.text, answer.usage.reasoning_tokens)


async def test_over_http_the_same_is_answered_on_every_route(thinking: RunningService) -> None:
    account = "/client/v4/accounts/acc/ai"
    said = {"messages": [{"role": "user", "content": "Where is New York?"}], "temperature": 0}
    async with running_bridge(Config(service=f"127.0.0.1:{thinking.service.port}", shutdown_grace_s=0.0)) as bridge:
        for off in ({}, {"chat_template_kwargs": NOW}):
            answer = await both(thinking, asked("qwen3", chat_template_kwargs_json=json.dumps(NOW) if off else ""))
            expected = answer.reasoning_content or None, answer.text
            native = await bridge.ask("POST", f"{account}/run/@test/qwen3", json={**said, **off})
            result = json.loads(native.body)["result"]
            assert (result.get("reasoning_content"), result["response"]) == expected
            chat = await bridge.ask("POST", "/v1/chat/completions", json={"model": "@test/qwen3", **said, **off})
            message = json.loads(chat.body)["choices"][0]["message"]
            assert (message.get("reasoning_content"), message["content"]) == expected
        refused = await bridge.ask("POST", f"{account}/run/@test/qwen3", json={**said, "reasoning_effort": "high"})
    assert refused.status == 400
    assert b"'/reasoning_effort' is 'high'" in refused.body
