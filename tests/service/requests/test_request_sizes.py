"""Every list and text of every request has a limit: more is refused, and the contract tells how much that is."""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from runstream.v1 import batches_pb2, models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.pages import to_cursor
from service.batches.request import check_account, to_new_batch, to_request_id
from service.errors import InvalidRequestError
from service.requests.checks import check_request
from service.requests.response_format import to_form

ROOT = Path(__file__).parents[3]
FILES = (pb.DESCRIPTOR, models_pb2.DESCRIPTOR, batches_pb2.DESCRIPTOR)


def messages(*told: pb.Message, **fields: Any) -> pb.RunRequest:
    return pb.RunRequest(conversation=pb.Conversation(messages=told), **fields)


def user(**fields: Any) -> pb.Message:
    return pb.Message(**{"role": "user", **fields})


def called(**fields: Any) -> pb.RunRequest:
    return messages(pb.Message(role="assistant", tool_calls=[pb.ToolCall(**{"name": "a", **fields})]))


def thought(text: str) -> pb.RunRequest:
    return messages(pb.Message(role="assistant", reasoning_content=text))


def result(**fields: Any) -> pb.RunRequest:
    return messages(pb.Message(role="tool", **fields))


def asked(**fields: Any) -> pb.RunRequest:
    return pb.RunRequest(prompt=pb.Prompt(text="hi"), **fields)


def tool(**fields: Any) -> pb.RunRequest:
    return asked(tools=[pb.Tool(**{"name": "a", **fields})])


def sampled(**fields: Any) -> pb.RunRequest:
    return asked(sampling_params=pb.SamplingParams(**fields))


def formed(**fields: Any) -> pb.RunRequest:
    return asked(response_format=pb.ResponseFormat(**fields))


def batch(number: int = 1, **fields: Any) -> batches_pb2.CreateBatchRequest:
    item = batches_pb2.BatchItem(request=asked(), **fields)
    return batches_pb2.CreateBatchRequest(account="a", items=[item] * number)


def is_let_pass(request: pb.RunRequest) -> bool:
    try:
        check_request(request)
        to_form(request)
    except InvalidRequestError:
        return False
    return True


def is_batch(request: batches_pb2.CreateBatchRequest) -> bool:
    try:
        to_new_batch(request, "")
    except InvalidRequestError:
        return False
    return True


def raises_nothing(check: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def passes(value: Any) -> bool:
        try:
            check(value)
        except InvalidRequestError:
            return False
        return True

    return passes


CHARACTERS = 2_097_152
CALL = pb.ToolCall(name="a")
PART = pb.ContentPart(text="")

# For each field: the check, what it makes of a number of entries or characters, and the most that it lets pass.
LIMITED: dict[str, tuple[Callable[[Any], bool], Callable[[int], Any], int]] = {
    "Conversation.messages": (is_let_pass, lambda n: messages(*[user()] * n), 4096),
    "Message.role": (is_let_pass, lambda n: messages(pb.Message(role="r" * n)), 64),
    "Message.content": (is_let_pass, lambda n: messages(user(content=[PART] * n)), 1024),
    "Message.tool_calls": (is_let_pass, lambda n: messages(pb.Message(role="assistant", tool_calls=[CALL] * n)), 128),
    "Message.tool_call_id": (is_let_pass, lambda n: result(tool_call_id="i" * n), 4096),
    "Message.name": (is_let_pass, lambda n: result(name="n" * n), 1024),
    "Message.reasoning_content": (is_let_pass, lambda n: thought("t" * n), CHARACTERS),
    "ContentPart.text": (is_let_pass, lambda n: messages(user(content=[pb.ContentPart(text="t" * n)])), CHARACTERS),
    "Prompt.text": (is_let_pass, lambda n: pb.RunRequest(prompt=pb.Prompt(text="t" * n)), CHARACTERS),
    "ToolCall.id": (is_let_pass, lambda n: called(id="i" * n), 4096),
    "ToolCall.name": (is_let_pass, lambda n: called(name="n" * n), 256),
    "ToolCall.arguments_json": (is_let_pass, lambda n: called(arguments_json='"' + "a" * (n - 2) + '"'), CHARACTERS),
    "RunRequest.tools": (is_let_pass, lambda n: asked(tools=[pb.Tool(name=f"t{i}") for i in range(n)]), 128),
    "Tool.name": (is_let_pass, lambda n: tool(name="n" * n), 256),
    "Tool.description": (is_let_pass, lambda n: tool(description="d" * n), 65_536),
    "Tool.parameters_json": (
        is_let_pass,
        lambda n: tool(parameters_json='{"title": "' + "a" * (n - 13) + '"}'),
        65_536,
    ),
    "RunRequest.stop_sequences": (is_let_pass, lambda n: asked(stop_sequences=["a"] * n), 8),
    "RunRequest.stop_sequences, each": (is_let_pass, lambda n: asked(stop_sequences=["a" * n]), 256),
    "RunRequest.stop_token_ids": (is_let_pass, lambda n: asked(stop_token_ids=range(n)), 64),
    "RunRequest.cache_salt": (is_let_pass, lambda n: asked(cache_salt="s" * n), 256),
    "RunRequest.lora": (is_let_pass, lambda n: asked(lora="l" * n), 128),
    "RunRequest.chat_template_kwargs_json": (
        is_let_pass,
        lambda n: asked(chat_template_kwargs_json='{"title": "' + "a" * (n - 13) + '"}'),
        16_384,
    ),
    "RunRequest.reasoning_effort": (is_let_pass, lambda n: asked(reasoning_effort="e" * n), 64),
    "SamplingParams.logit_bias": (is_let_pass, lambda n: sampled(logit_bias=dict.fromkeys(range(n), 1.0)), 1024),
    "SamplingParams.bad_words": (is_let_pass, lambda n: sampled(bad_words=["a"] * n), 64),
    "SamplingParams.bad_words, each": (is_let_pass, lambda n: sampled(bad_words=["a" * n]), 256),
    "SamplingParams.allowed_token_ids": (is_let_pass, lambda n: sampled(allowed_token_ids=range(n)), 8192),
    "ResponseFormat.json_schema": (
        is_let_pass,
        lambda n: formed(json_schema='{"title": "' + "a" * (n - 13) + '"}'),
        65_536,
    ),
    "ResponseFormat.regex": (is_let_pass, lambda n: formed(regex="a" * n), 4096),
    "Choice.values": (is_let_pass, lambda n: formed(choice=pb.Choice(values=["a"] * n)), 1024),
    "Choice.values, together": (is_let_pass, lambda n: formed(choice=pb.Choice(values=["a" * n])), 65_536),
    "CreateBatchRequest.items": (is_batch, batch, 10_000),
    "BatchItem.external_reference": (is_batch, lambda n: batch(external_reference="r" * n), 1024),
    "CreateBatchRequest.account": (raises_nothing(check_account), lambda n: "a" * n, 128),
}

# By what else the others are bounded.
ELSEWHERE = {
    # What has another length than a UUID or a page's token is none.
    "CreateBatchRequest.request_id": lambda: to_request_id(str(uuid.uuid4()) + "0"),
    "ListBatchesRequest.page_token": lambda: to_cursor("t" * 100_000),
}
NAMES = {
    # What the catalog, the store or the request's own tools do not have is not found, which reads it once.
    *("RunRequest.model", "GetModelRequest.model", "LoadModelRequest.model", "UnloadModelRequest.model"),
    *("CreateBatchRequest.model", "ToolChoice.name"),
    *(
        f"{name}Request.{field}"
        for name in ("GetBatch", "StreamBatchResults", "CancelBatch", "DeleteBatch")
        for field in ("account", "batch_id")
    ),
    "ListBatchesRequest.account",
    # Its check is that of the page's number of models; a token is a number.
    "ListModelsRequest.page_token",
    # The prompt's own limit, in tokens: tests/service/rpc/test_text_generation.py.
    "TokenIds.values",
}


def requests() -> Iterator[Descriptor]:
    """The messages that methods take, and those in them."""
    seen: dict[str, Descriptor] = {}

    def visit(message: Descriptor) -> None:
        if message.full_name not in seen:
            seen[message.full_name] = message
            for field in message.fields:
                if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                    visit(field.message_type)

    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                visit(method.input_type)
    yield from seen.values()


def needs_limit(field: FieldDescriptor) -> bool:
    return field.is_repeated or field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def test_each_list_text_and_map_of_a_request_has_a_limit():
    found = {f"{message.name}.{field.name}" for message in requests() for field in message.fields if needs_limit(field)}
    named = {re.sub(", .*", "", name) for name in LIMITED} | ELSEWHERE.keys() | NAMES
    assert found - named == set()
    assert named - found == set()


@pytest.mark.parametrize("name", LIMITED)
def test_a_limit_is_inclusive(name):
    passes, of_size, most = LIMITED[name]
    assert passes(of_size(most))
    assert not passes(of_size(most + 1))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_has_a_form_of_its_own_is_refused_in_another(name):
    with pytest.raises(InvalidRequestError):
        ELSEWHERE[name]()


@pytest.mark.parametrize(
    ("entry", "most", "one"), [("content", 16_384, 1024), ("tool_calls", 8192, 128)], ids=["parts", "calls"]
)
def test_all_messages_together_have_a_limit_too(entry, most, one):
    told = user(content=[PART] * one) if entry == "content" else pb.Message(role="assistant", tool_calls=[CALL] * one)
    request = messages(*[told] * (most // one))
    check_request(request)
    getattr(request.conversation.messages.add(role=told.role), entry).append(PART if entry == "content" else CALL)
    with pytest.raises(InvalidRequestError, match=f"send at most {most}"):
        check_request(request)


def test_the_contract_tells_each_limit():
    source = (pb.DESCRIPTOR.name, batches_pb2.DESCRIPTOR.name)
    text = " ".join((ROOT / "protos" / name).read_text() for name in source)
    told = " ".join(line.strip().removeprefix("//").strip() for line in text.splitlines())
    for name, (_, _, most) in LIMITED.items():
        assert f"{most:,}" in told, name


def test_sizes_are_told_before_entries_are_read():
    wrong = pb.Message()  # without a role
    with pytest.raises(InvalidRequestError, match="send at most 4096"):
        check_request(messages(*[wrong] * 5000))
    with pytest.raises(InvalidRequestError, match="send at most 128"):
        check_request(asked(tools=[pb.Tool()] * 129))
