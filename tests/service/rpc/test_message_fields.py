"""Messages of very many fields are refused before anything is made of them."""

import itertools
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import batches_pb2, models_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.requests.request_sizes import MAX_ALL_CALLS, MAX_ALL_PARTS, MAX_MESSAGES, MAX_PARTS
from service.rpc.http2 import MAX_MESSAGE_BYTES
from service.rpc.message_fields import has_more_fields
from service.rpc.request_message import MAX_FIELDS, MAX_OTHER_FIELDS
from tests.support.running_service import MODEL, RunningService, ask, error_info

METHODS = [
    method
    for file in (pb.DESCRIPTOR, models_pb2.DESCRIPTOR, batches_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
]


def varint(number: int) -> bytes:
    return (bytes([number & 0x7F | 0x80]) + varint(number >> 7)) if number > 0x7F else bytes([number])


def of_length(field: FieldDescriptor, content: bytes) -> bytes:
    return varint(field.number << 3 | 2) + varint(len(content)) + content


def paths(kind: Descriptor, depth: int = 5) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to the lists of messages and texts in a message."""
    for field in kind.fields:
        if field.is_repeated and field.type in (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING):
            yield (field,)
        if field.message_type is not None and depth:
            yield from ((field, *path) for path in paths(field.message_type, depth - 1))


def full_of(path: tuple[FieldDescriptor, ...], number: int) -> bytes:
    """A message with so many empty entries in one place."""
    *outer, last = path
    content = of_length(last, b"") * number
    for field in reversed(outer):
        content = of_length(field, content)
    return content


PATHS = [(method.input_type, path) for method in METHODS for path in paths(method.input_type)]


@pytest.mark.parametrize(
    ("kind", "path"), PATHS, ids=[".".join((kind.name, *(field.name for field in path))) for kind, path in PATHS]
)
def test_entries_are_counted_wherever_they_are(kind, path):
    num_fields = 100 + len(path) - 1
    message = full_of(path, 100)
    assert not has_more_fields(message, kind, num_fields)
    assert has_more_fields(message, kind, num_fields - 1)


def test_they_are_many_places():
    assert len(PATHS) > 30


@given(message=st.binary(max_size=200), limit=st.integers(0, 50))
def test_bytes_that_are_no_message_are_counted_without_harm(message, limit):
    told = has_more_fields(message, pb.RunRequest.DESCRIPTOR, limit)
    assert told <= (len(message) > limit)
    try:
        pb.RunRequest.FromString(message)
    except DecodeError:
        return
    assert told or limit >= len(pb.RunRequest.FromString(message).ListFields())


@pytest.mark.parametrize("byte", [b"\x80", b"\xff", b"\x0b", b"\x0c", b"\x07", b"\x00"])
def test_a_message_of_one_byte_over_and_over_ends_soon(byte):
    has_more_fields(byte * MAX_MESSAGE_BYTES, pb.RunRequest.DESCRIPTOR, MAX_OTHER_FIELDS)


def test_the_largest_request_that_keeps_to_all_other_limits_has_few_enough():
    part, call = pb.ContentPart(text="a"), pb.ToolCall(id="1", name="a", arguments_json="{}")
    messages = [pb.Message(role="user", name="a", content=[part] * MAX_PARTS)] * (MAX_ALL_PARTS // MAX_PARTS)
    messages += [pb.Message(role="assistant", tool_call_id="a", tool_calls=[call] * 2)] * (MAX_MESSAGES - len(messages))
    assert sum(len(message.tool_calls) for message in messages) <= MAX_ALL_CALLS
    params = pb.SamplingParams(logit_bias=dict.fromkeys(range(1024), 1.0), allowed_token_ids=range(8192), top_k=1)
    tools = [pb.Tool(name=f"t{number}", description="a", parameters_json="{}") for number in range(128)]
    request = pb.RunRequest(
        model=MODEL, conversation=pb.Conversation(messages=messages), sampling_params=params, tools=tools
    )
    assert not has_more_fields(request.SerializeToString(), pb.RunRequest.DESCRIPTOR, MAX_OTHER_FIELDS)


def test_a_large_batch_has_few_enough():
    item = batches_pb2.BatchItem(request=ask(max_tokens=5, temperature=0.5, seed=3), external_reference="a")
    request = batches_pb2.CreateBatchRequest(account="a", model=MODEL, items=itertools.repeat(item, 10_000))
    kind = batches_pb2.CreateBatchRequest.DESCRIPTOR
    assert not has_more_fields(request.SerializeToString(), kind, MAX_FIELDS[kind.full_name])


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", ["tools", "stop_sequences", "conversation"])
async def test_a_call_with_such_a_message_is_refused(running: RunningService, name):
    kind = pb.RunRequest.DESCRIPTOR
    field = kind.fields_by_name[name]
    inner = (pb.Conversation.DESCRIPTOR.fields_by_name["messages"],) if name == "conversation" else ()
    message = full_of((field, *inner), MAX_MESSAGE_BYTES // 2 - 10)
    call: Any = running.channel.unary_unary("/runstream.v1.TextGenerationService/Run")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(message)
    assert error_info(caught.value).reason == "INVALID_REQUEST"
    assert "the message has more than 131072 fields" in (caught.value.details() or "")
