"""A value that a field can't have is refused before anything is sent, with a message that names the field."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream import AsyncClient, Choice, Client, Regex, Tool, ToolCall, make_request
from runstream.requests import RunOptions

from tests.support.fake_service import DEMO

HALF = "\ud800"  # of a character: no UTF-8 has it
INPUTS = ("prompt", "messages", "prompt_token_ids")
FIELDS = sorted(["model", *RunOptions.__annotations__])


def nested(depth=100_000):
    """A list in a list in a list, deeper than Python recurses."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def nested_schema(depth=100_000):
    """A schema that is as deep."""
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def request_with(field, value):
    """Makes a request in which one field has a value."""
    options: dict[str, Any] = {"model": DEMO}
    if field in ("add_generation_prompt", "continue_final_message"):
        options["messages"] = [{"role": "user", "content": "p"}]
    elif field not in INPUTS:
        options["prompt"] = "p"
    return make_request(**{**options, field: value})


@pytest.mark.parametrize("value", [object(), 5j, nested(), b"\xff"], ids=["object", "complex", "nested", "bytes"])
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_refuses_by_name_what_no_field_can_have(field, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{field}\b"):
        request_with(field, value)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, math.nan, math.inf, HALF, object(), Regex(HALF), Choice("a", HALF), Tool(HALF)]),
    st.floats(),
    st.text(),
    st.binary(),
)
VALUES = st.recursive(
    SCALARS,
    lambda values: st.one_of(
        st.lists(values, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.floats()), values, max_size=3),
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ["role", "content", "tool_calls", "name", "type", "function", "arguments", "json_schema", "schema"],
                values,
            ),
        ),
        st.builds(lambda value: Choice(*value) if isinstance(value, list) else Choice(value), values),
        st.builds(Regex, values),
        st.builds(Tool, values, values, values),
        st.builds(ToolCall, values, values, values),
    ),
    max_leaves=5,
)


@given(field=st.sampled_from(FIELDS), value=VALUES)
def test_a_value_is_taken_or_refused_by_name(field, value):
    try:
        request_with(field, value)
    except (TypeError, ValueError) as error:
        assert field in str(error)  # noqa: PT017 - a value that is taken is as well


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model", None, "model can't be None"),
        ("model", HALF, "model can't be .*surrogates"),
        ("prompt", nested(), "prompt can't be of type list"),
        ("tools", {"name": "f"}, "tools is of type dict: give a list"),
        ("tools", 5, "tools is of type int"),
        ("tools", [Tool("f", 5)], r"tools\[0\].description can't be 5"),  # type: ignore[arg-type]
        ("tools", [{"name": "f", "description": []}], r"tools\[0\].description can't be \[\]"),
        ("tools", [{"name": HALF}], r"tools\[0\].name can't be .*surrogates"),
        ("tools", [Tool("f", "", nested_schema())], r"tools\[0\].parameters is nested too deep"),
        ("tools", [Tool("f", "", {"maximum": math.nan})], r"tools\[0\].parameters can't be .*nan"),
        ("tool_choice", HALF, "tool_choice can't be .*surrogates"),
        ("messages", 5, "messages is of type int"),
        ("messages", [{5: "p"}], r"messages\[0\] takes no 5"),
        ("messages", [{"role": "user"}], r"messages\[0\] has no content"),
        ("messages", [{"role": "user", "content": None}], r"messages\[0\] has no content"),
        (
            "messages",
            [{"role": "assistant", "content": "", "tool_calls": 5}],
            r"messages\[0\].tool_calls is of type int",
        ),
        ("messages", [{"role": "tool", "content": "", "name": 0}], r"messages\[0\].name can't be 0"),
        ("response_format", Choice(5), r"response_format.choice can't be \(5,\)"),  # type: ignore[arg-type]
        ("response_format", Choice(["a", "b"]), "response_format.choice can't be"),  # type: ignore[arg-type]
        ("response_format", Choice(HALF), "response_format.choice can't be .*surrogates"),
        ("response_format", Regex(5), "response_format.regex can't be 5"),  # type: ignore[arg-type]
        ("response_format", Regex(HALF), "response_format.regex can't be .*surrogates"),
        ("response_format", {"title": HALF}, "response_format can't be .*surrogates"),
        ("response_format", nested_schema(), "response_format is nested too deep"),
        ("priority", [], r"priority is \[\]: give"),
        ("logit_bias", [1, 2], r"logit_bias can't be \[1, 2\]: it is no dict"),
        ("logit_bias", {1.9: 5}, "its key 1.9 is no integer"),
        ("logit_bias", {True: 3}, "its key True is no integer"),
        ("logit_bias", {"3": 1, 3: 2}, "it has a key twice"),
        ("stop_token_ids", "12", "stop_token_ids is of type str: give a list"),
        ("temperature", 10**400, "temperature can't be 1000"),
    ],
)
def test_what_is_wrong_is_told(field, value, words):
    with pytest.raises((TypeError, ValueError), match=words):
        request_with(field, value)


def test_a_number_of_more_digits_than_python_writes_is_told():
    with pytest.raises(ValueError, match="max_tokens can't be of type int"):
        request_with("max_tokens", 10**5000)


@pytest.mark.parametrize(
    ("arguments", "kept"), [([], "[]"), (0, "0"), (False, "false"), ({}, "{}"), ("", ""), (None, "")]
)
def test_arguments_of_a_call_are_kept_as_they_are(arguments, kept):
    call = {"id": "1", "name": "f", "arguments": arguments}
    (made,) = request_with("messages", [{"role": "assistant", "tool_calls": [call]}]).conversation.messages
    assert made.tool_calls[0].arguments_json == kept


def test_arguments_of_a_call_that_json_can_not_have_are_refused():
    call = {"id": "1", "name": "f", "arguments": {"a": math.nan}}
    with pytest.raises(ValueError, match=r"messages\[0\].tool_calls\[0\].arguments can't be .*nan"):
        request_with("messages", [{"role": "assistant", "tool_calls": [call]}])


def test_keys_of_a_logit_bias_are_integers_or_their_texts():
    assert dict(request_with("logit_bias", {1: 5, "3": -1}).sampling_params.logit_bias) == {1: 5, 3: -1}


BATCH_CALLS = [
    (lambda batches: batches.create(DEMO, "abc"), "^items is of type str: give a list"),
    (lambda batches: batches.create(DEMO, [5]), r"^items\[0\] is of type int: give a prompt"),
    (lambda batches: batches.create(DEMO, ["p", {"prompt": 5}]), r"^items\[1\]: prompt can't be 5"),
    (
        lambda batches: batches.create(DEMO, [{"prompt": "p", "external_reference": 5}]),
        r"^items\[0\].external_reference",
    ),
    (lambda batches: batches.create(5, ["p"]), "^model can't be 5"),
    (lambda batches: batches.create(DEMO, ["p"], request_id=5), "^request_id can't be 5"),
    (lambda batches: batches.get(5), "^batch_id can't be 5"),
    (lambda batches: batches.cancel(HALF), "^batch_id can't be"),
]


@pytest.mark.parametrize(("call", "words"), BATCH_CALLS)
async def test_a_call_for_batches_refuses_it_by_name(call, words):
    with Client("127.0.0.1:1") as client, pytest.raises((TypeError, ValueError), match=words):
        call(client.batches)
    async with AsyncClient("127.0.0.1:1") as other:
        with pytest.raises((TypeError, ValueError), match=words):
            await call(other.batches)


def test_a_call_for_models_refuses_it_by_name():
    with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=r"^model can't be 5"):
            client.models.get(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"^page_size can't be 'x'"):
            next(client.models.list(page_size="x"))  # type: ignore[arg-type]


def test_a_number_that_does_not_fit_is_refused_by_name():
    with pytest.raises(ValueError, match="seed can't be 9223372036854775808"):
        make_request("m", prompt="p", seed=2**63)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": HALF}, "content"),
        ({"role": "user", "content": ["a", HALF]}, "content"),
        ({"role": HALF}, "role"),
        ({"role": "tool", "content": "", "name": HALF}, "name"),
        (
            {"role": "assistant", "tool_calls": [{"function": {"arguments": HALF}}]},
            r"tool_calls\[0\].function.arguments",
        ),
        ({"role": "assistant", "tool_calls": [ToolCall(HALF, "f", "")]}, r"tool_calls\[0\].id"),
    ],
)
def test_half_a_character_in_a_message_is_refused_by_name(message, field):
    with pytest.raises(ValueError, match=rf"messages\[0\].{field} can't be '.*surrogates not allowed"):
        make_request("m", messages=[message])


def test_a_value_of_the_wrong_type_in_a_message_is_refused_by_name():
    with pytest.raises(TypeError, match=r"messages\[0\].tool_call_id can't be 3"):
        make_request("m", messages=[{"role": "tool", "content": "", "tool_call_id": 3}])
