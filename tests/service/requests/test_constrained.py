"""response_format over gRPC: the completion has the form, or the request is refused with the reason."""

import json
import re

import grpc
import pytest
from google.rpc import error_details_pb2
from jsonschema import Draft202012Validator
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import ask, details, error_info

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["New York", "纽约"]}, "area": {"type": "integer", "minimum": 0, "maximum": 999}},
    "required": ["city", "area"],
    "additionalProperties": False,
}


def asked(wanted: pb.ResponseFormat, **params) -> pb.RunRequest:
    request = ask(**({"max_tokens": 900, "temperature": 1.0} | params))
    request.response_format.CopyFrom(wanted)
    return request


def json_schema(schema: object) -> pb.ResponseFormat:
    return pb.ResponseFormat(json_schema=json.dumps(schema))


@pytest.mark.parametrize("seed", range(4))
async def test_a_schema_is_kept_whole_and_streamed(running, seed):
    request = asked(json_schema(SCHEMA), seed=seed)
    whole = await running.text_generation.Run(request)
    Draft202012Validator(SCHEMA).validate(json.loads(whole.text))
    assert whole.finish_reason == pb.FINISH_REASON_STOP
    parts = [part async for part in running.text_generation.RunStream(request)]
    assert "".join(part.text for part in parts) == whole.text
    assert parts[-1].finish_reason == whole.finish_reason


async def test_a_regular_expression_matches_the_whole_text(running):
    answer = await running.text_generation.Run(asked(pb.ResponseFormat(regex=r"[a-z]{3}(-[0-9]{2}){2}")))
    assert re.fullmatch(r"[a-z]{3}(-[0-9]{2}){2}", answer.text)


async def test_a_choice_is_made(running):
    values = ["red", "green", "deep blue"]
    answer = await running.text_generation.Run(asked(pb.ResponseFormat(choice=pb.Choice(values=values))))
    assert answer.text in values


async def test_what_max_tokens_cuts_is_a_beginning(running):
    answer = await running.text_generation.Run(asked(pb.ResponseFormat(json_object=pb.JsonObject()), max_tokens=1))
    assert (answer.text, answer.finish_reason) == ("{", pb.FINISH_REASON_LENGTH)


async def test_a_stop_sequence_may_end_it_earlier(running):
    request = asked(pb.ResponseFormat(regex="[ab]{5}c[ab]{5}"))
    request.stop_sequences.append("c")
    answer = await running.text_generation.Run(request)
    assert re.fullmatch("[ab]{5}", answer.text)
    assert answer.matched_stop == "c"


NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    "schema",
    [
        {**NUMBER, "exclusiveMinimum": 0, "maximum": 0.5},
        {**NUMBER, "minimum": 0.15, "maximum": 0.25, "multipleOf": 0.1},
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "boolean"}},
        {"type": "string", "format": "lowercase", "pattern": "^(?=.)[a-z]{2,4}$", "minLength": 2.0},
        {"oneOf": [{"const": 1}, {"const": 2}]},
    ],
)
async def test_what_clients_ordinarily_send_is_kept_at_any_temperature(running, schema):
    for seed in range(6):
        answer = await running.text_generation.Run(asked(json_schema(schema), seed=seed, temperature=2.0))
        assert answer.finish_reason == pb.FINISH_REASON_STOP
        Draft202012Validator(schema).validate(json.loads(answer.text))


BROKEN = {"const": [1, 1], "uniqueItems": True}


async def test_a_value_that_breaks_what_is_checked_at_the_end_is_no_answer(running):
    with pytest.raises(grpc.aio.AioRpcError, match="breaks 'uniqueItems' at '/'") as caught:
        await running.text_generation.Run(asked(json_schema(BROKEN)))
    assert error_info(caught.value).reason == "FORMAT_UNSATISFIABLE"
    assert await running.is_idle()


async def test_a_stream_of_such_a_value_ends_with_the_error_and_without_its_last_part(running):
    parts: list[pb.RunStreamResponse] = []

    async def read() -> None:
        async for part in running.text_generation.RunStream(asked(json_schema(BROKEN))):
            parts.append(part)  # one by one, so that those before the error are kept

    with pytest.raises(grpc.aio.AioRpcError, match="breaks 'uniqueItems' at '/'"):
        await read()
    assert "".join(part.text for part in parts).startswith("[")
    assert not any(part.finish_reason for part in parts)


async def test_a_value_that_is_cut_is_not_checked(running):
    answer = await running.text_generation.Run(asked(json_schema(BROKEN), max_tokens=2))
    assert answer.finish_reason == pb.FINISH_REASON_LENGTH


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            json_schema({"not": {"minLength": -1}}),
            "no JSON Schema: -1 is less than the minimum of 0 at '/not/minLength'",
        ),
        (json_schema({"$ref": "#"}), "$ref lead in circles"),
        (json_schema(False), "which no value fits"),
        (json_schema({"type": "string", "maxLength": -1}), "at '/maxLength'"),
        (pb.ResponseFormat(regex="a(?!b)"), "look-around"),
    ],
)
async def test_a_form_that_can_not_be_is_refused_before_anything_is_generated(running, wanted, words):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.text_generation.Run(asked(wanted))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_info(caught.value).reason == "FORMAT_UNSATISFIABLE"
    bad_request = details(caught.value, error_details_pb2.BadRequest)
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert bad_request.field_violations[0].field.startswith("response_format")
    assert words in (caught.value.details() or "")
    assert await running.is_idle()
