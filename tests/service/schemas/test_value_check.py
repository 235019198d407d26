"""The check of finished values: what it says, and that nothing that a client sends makes it last."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.errors import UnsatisfiableFormatError
from service.schemas.form import Form
from service.schemas.value_check import ValueCheck


@pytest.fixture(scope="module")
def values() -> Iterator[ValueCheck]:
    with closing(ValueCheck()) as values:
        yield values


def form(schema: Any, **of_tools: Any) -> Form:
    schemas = {name: json.dumps(of_tool) for name, of_tool in of_tools.items()}
    return Form(GrammarSpec(GrammarKind.JSON_SCHEMA, ("{}",)), json.dumps(schema), schemas)


def answer(text: str = "", **changes: Any) -> pb.RunResponse:
    return pb.RunResponse(text=text, **({"finish_reason": pb.FINISH_REASON_STOP} | changes))


def refusal(values: ValueCheck, asked: Form, given: pb.RunResponse) -> str:
    try:
        asyncio.run(values.check(asked, given))
    except UnsatisfiableFormatError as error:
        return error.message.removeprefix("response_format can't be met: ")
    return ""


UNIQUE = {"properties": {"tags": {"uniqueItems": True}}}


@pytest.mark.parametrize(
    ("schema", "text", "words"),
    [
        (UNIQUE, '{"tags": [1, 2]}', ""),
        (UNIQUE, '{"tags": [1, 1.0]}', "the answer breaks 'uniqueItems' at '/tags'"),
        (UNIQUE, '{"tags": [1, 1], "tags": []}', ""),
        ({"not": {}}, "1", "the answer breaks 'not' at '/'"),
        ({"propertyNames": {"maxLength": 1}}, '{"ab": 1}', "the answer breaks 'propertyNames' at '/'"),
        ({"format": "date"}, '"2023-02-29"', "the answer breaks 'format' at '/'"),
        ({"multipleOf": 0.1}, "0.3", ""),
        ({"multipleOf": 0.01}, "0.075", "the answer breaks 'multipleOf' at '/'"),
        ({"exclusiveMinimum": 0, "maximum": 0.5}, "0", "the answer breaks 'exclusiveMinimum' at '/'"),
        ({}, "-1e999", "the answer can't be read: -1e999 is not a finite number"),
        ({}, "{", "the answer can't be read: "),
        ({"maxLength": 1}, r'"\ud800"', ""),
        ({"maxLength": 1}, r'"\ud83d\ude00"', ""),
        ({"pattern": r"^\d$"}, '"\u0663"', "the answer breaks 'pattern' at '/'"),
        ({"additionalProperties": {"type": "null"}}, json.dumps({"x" * 999: 1}), f"'/{'x' * 199}...'"),
    ],
)
def test_a_finished_value_is_checked_against_the_whole_schema(values, schema, text, words):
    found = refusal(values, form(schema), answer(text))
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    "given",
    [
        answer("[1, 1", finish_reason=pb.FINISH_REASON_LENGTH),
        answer("[1, 1", matched_stop=""),
        answer("", tool_calls=[pb.ToolCall(name="free", arguments_json="{}")]),
    ],
)
def test_what_is_cut_or_has_another_form_is_not_checked(values, given):
    assert not refusal(values, form(UNIQUE), given)


def test_arguments_are_checked_against_their_tools_schema(values):
    calls = [pb.ToolCall(name=name, arguments_json='{"tags": [1, 1]}') for name in ("free", "strict")]
    asked = form({}, free={}, strict=UNIQUE)
    made = answer(tool_calls=calls[:1], finish_reason=pb.FINISH_REASON_TOOL_CALLS)
    assert not refusal(values, asked, made)
    made = answer(tool_calls=calls, finish_reason=pb.FINISH_REASON_TOOL_CALLS)
    assert refusal(values, asked, made) == "the answer breaks 'uniqueItems' at '/tags'"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"not": {"minLength": -1}}, "-1 is less than the minimum of 0 at '/not/minLength'"),
        ({"if": {"type": "strin"}}, "at '/if/type'"),
        ({"contains": {"pattern": "("}}, "'/contains/pattern'"),
        ({"not": {"$ref": "#/nowhere"}}, "'/nowhere' does not exist"),
        ({"not": {"$ref": "http://127.0.0.1:1/schema"}}, "Retrieval is disabled"),
    ],
)
def test_a_schema_that_nothing_can_be_checked_by_is_refused_before(values, schema, words):
    with pytest.raises(UnsatisfiableFormatError, match=r"it is no JSON Schema: ") as caught:
        asyncio.run(values.prepare(form(schema)))
    assert words in caught.value.message
    assert caught.value.field == "response_format"


DOUBLING = {
    "$defs": {
        **{f"{n}": {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(60)},
        "60": {"type": "integer"},
    },
    "$ref": "#/$defs/0",
}
NESTED = {"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2}


@pytest.mark.parametrize(
    ("schema", "text"),
    [(DOUBLING, "1"), (NESTED, '{"a":' * 60 + "1" + "}" * 60)],
    ids=["references", "values"],
)
def test_a_check_that_does_not_end_is_ended_and_the_next_one_is_made(values, schema, text):
    found = refusal(values, form(schema), answer(text))
    assert found == "checking it takes more than a second, or too much memory"
    assert not refusal(values, form({}), answer("1"))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$", r"^(a|a)*\1$", "(x+x+)+y"])
def test_a_pattern_that_backtracks_without_end_is_a_matter_of_a_second(values, pattern):
    text = json.dumps(("a" * 40_000 if "a" in pattern else "x" * 40_000) + "!")
    assert refusal(values, form({"pattern": pattern}), answer(text))


def test_arrays_of_equal_items_are_compared_in_time(values):
    items = [{"a": [number, {"b": "x" * 9}]} for number in range(4_000)]
    assert not refusal(values, form({"uniqueItems": True}), answer(json.dumps(items)))


def test_an_answer_nested_too_deeply_to_be_read_is_refused(values):
    assert "can't be read" in refusal(values, form({}), answer("[" * 30_000 + "]" * 30_000))


async def test_a_check_that_nobody_waits_for_leaves_the_next_one_its_answer(values):
    given_up = asyncio.create_task(values.check(form(DOUBLING), answer("1")))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(UnsatisfiableFormatError, match="breaks 'not'"):
        await values.check(form({"not": {}}), answer("1"))
