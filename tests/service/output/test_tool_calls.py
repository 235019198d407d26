"""Calls in a model's text: what counts as one, what stays text, and how long text is held back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.output.tool_calls import ToolCallSearch

NAMES = ("clock", "get_weather")
PARIS = '{"city": "Paris", "days": 4.0, "units": null}'


def search(text: str, sizes=(), names=NAMES):
    """The calls, the text let go before the end, and that of the end, when the text comes in pieces of some sizes."""
    found = ToolCallSearch(names)
    early, begin = "", 0
    for size in [*sizes, len(text)]:
        early += found.push(text[begin : begin + size])
        begin += size
    late = found.flush()
    return [(call.name, call.arguments_json) for call in found.calls], early, late


ONE_CALL = [
    f'{{"name": "get_weather", "parameters": {PARIS}}}',
    f'<|python_tag|>{{"name": "get_weather", "parameters": {PARIS}}}',
    f' \n<|python_tag|> {{"name":"get_weather","arguments":{PARIS}}}\n',
    f'{{"type": "function", "name": "get_weather", "parameters": {PARIS}}}',
    f'{{"type": "function", "function": "get_weather", "parameters": {PARIS}}}',
    f'{{"type": "function", "function": {{"name": "get_weather", "arguments": {PARIS}}}}}',
    f'{{"function": {{"parameters": {PARIS}, "name": "get_weather"}}, "type": "function"}}',
    f'{{"parameters": {PARIS}, "name": "get_weather"}};',
    f'[{{"name": "get_weather", "parameters": {PARIS}}}]',
    json.dumps({"name": "get_weather", "parameters": PARIS}),
    json.dumps({"name": "get_weather", "parameters": f" {PARIS}\n"}, indent=2),
]


@pytest.mark.parametrize("text", ONE_CALL)
def test_what_llama_writes_for_a_call_is_that_call_with_its_arguments_as_written(text):
    assert search(text) == ([("get_weather", PARIS)], "", "")


@pytest.mark.parametrize("between", ["; ", "\n", "", ", ", ";\n<|python_tag|>", " ;\r\n\t"])
def test_calls_may_follow_each_other(between):
    first, second = ONE_CALL[0], '{"name": "clock", "parameters": null}'
    assert search(first + between + second) == ([("get_weather", PARIS), ("clock", "{}")], "", "")


def test_calls_may_stand_in_an_array():
    text = f'[{ONE_CALL[0]}, {{"name": "clock", "parameters": {{}}}}]'
    assert search(text) == ([("get_weather", PARIS), ("clock", "{}")], "", "")


def test_every_call_has_an_id_of_its_own():
    found = ToolCallSearch(NAMES)
    found.push(f"{ONE_CALL[0]};{ONE_CALL[0]}")
    first, second = [call.id for call in found.calls]
    assert first != second
    assert all(len(call_id) == len("chatcmpl-tool-") + 32 for call_id in (first, second))


NO_CALLS = [
    ("It is late.", ""),
    (" \n I", ""),
    ("{}", ""),
    ("[]", ""),
    ("[1, 2]", ""),
    ("<b>", ""),
    ('{"named', ""),
    ('{"city": "Paris"}', ""),
    ('{"name": "Paris", "parameters": {}}', ""),
    ('{"name": "clock"}', ""),
    ('{"name": "clock", "name": "clock", "parameters": {}}', ""),
    ('{"name": "clock", "function": "clock", "parameters": {}}', ""),
    ('{"name": "clock", "parameters": {}, "arguments": {}}', ""),
    ('{"type": "object", "properties": {}}', ""),
    ('{"name": "clock", "parameters": []}', ""),
    ('{"name": "clock", "parameters": "now"}', ""),
    ('{"name": "clock", "parameters": {"a": 01}}', ""),
    ('{"name": "clock", "parameters": {"a": 1e999}}', ""),
    ('{"name": "clock", "parameters": {"a": NaN}}', ""),
    ('{"name": "clock", "parameters": {"a": "\\ud800"}}', ""),
    ('{"name": "clock", "parameters": "{\\"a\\": \\"\\ud800\\"}"}', ""),
    ('{"name": "clock", "parameters": {"a": "\n"}}', ""),
    ('{"name": "clock", "parameters": {"a": 1,}}', ""),
    ('{"name": "clock", "parameters": {"a" 1}}', ""),
    ('{"name": "clock", "parameters": {"a": "\\x"}}', ""),
    ('{"name": "clock", "parameters": {"a": ' + "[" * 64 + "1", ""),
    (f"[{ONE_CALL[0]}, 5]", ""),
    ("", " \n"),
    ("", "<|python"),
    ("", '{"name": "cl'),
    ("", '{"name": "clock", "parameters": {"a": [1, 2'),
]


@pytest.mark.parametrize(("early", "late"), NO_CALLS)
def test_anything_else_is_text_unchanged(early, late):
    assert search(early + late) == ([], early, late)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("  \n", "  \n"),
        ("<|py", "<|py"),
        ("<p", ""),
        ("[", "["),
        ("[{", "[{"),
        ('{"na', '{"na'),
        ('{"no', ""),
        ('{"name": "c', '{"name": "c'),
        ('{"name": "d', ""),
        ('{"type": "o', ""),
        ('{"name": "clock", "parameters": {"a": tr', '{"name": "clock", "parameters": {"a": tr'),
        ('{"name": "clock", "parameters": {"a": me', ""),
        ('{"name": "clock", "parameters": {"a": "\\u00e9', '{"name": "clock", "parameters": {"a": "\\u00e9'),
        ('{"name": "clock", "parameters": {"a": "\\u00eg', ""),
    ],
)
def test_text_is_held_back_only_while_it_can_become_a_call(text, held):
    assert search(text)[1:] == (text[: len(text) - len(held)], held)


@pytest.mark.parametrize("rest", ["\nI hope it helps.", '; {"name": "cl', '; {"name": "Paris", "parameters": {}}'])
def test_what_else_stands_behind_calls_is_left_out_but_known(rest):
    for sizes in ([], [1] * 400):
        assert search(ONE_CALL[0] + rest, sizes) == ([("get_weather", PARIS)], "", "")
    found = ToolCallSearch(NAMES)
    found.push(f"{ONE_CALL[0]} ;{rest}")
    found.flush()
    assert found.has_rest


def test_a_call_behind_words_is_text():
    text = f"I look it up: {ONE_CALL[0]}"
    assert search(text) == ([], text, "")


def test_without_tools_nothing_is_held_back():
    assert search(ONE_CALL[0], names=()) == ([], ONE_CALL[0], "")


arguments = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
pieces = st.lists(st.integers(1, 9), max_size=60)


@given(arguments, st.sampled_from([None, 0, 2]), pieces)
def test_any_arguments_come_out_as_they_were_written(arguments, indent, sizes):
    written = json.dumps(arguments, indent=indent)
    if "\\ud" in written:
        return  # half characters are no text
    assert search(f'{{"name": "clock", "parameters": {written}}}', sizes) == ([("clock", written)], "", "")


fragments = st.sampled_from(
    [*ONE_CALL, *(early + late for early, late in NO_CALLS), " ", "\n", ";", "{", "}", '"name": ', '"clock"', "so", "é"]
)


@given(st.lists(fragments, max_size=4).map("".join), st.integers(0, 400), pieces)
def test_the_pieces_make_no_difference_and_nothing_is_lost(text, cut, sizes):
    text = text[:cut]
    whole = search(text)
    calls, early, late = search(text, sizes)
    assert (calls, early, late) == whole
    assert early + late == ("" if calls else text)
