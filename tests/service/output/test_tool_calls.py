"""Calls in a model's text, as Llama 3.1 writes them: what counts as one, what stays text, how long it is held back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.output.tool_calls import ToolCallSearch
from service.output.tool_formats.reading import MAX_CALLS
from tests.support.tool_calls import NAMES, PYTHON_TAG, search

PARIS = '{"city": "Paris", "days": 4.0, "units": null}'


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
    f'{PYTHON_TAG}{{"name": "get_weather", "parameters": {PARIS}}}',
    f'```json\n{{"name": "get_weather", "parameters": {PARIS}}}\n```',
    f'```\n[{{"name": "get_weather", "parameters": {PARIS}}}]```\n',
]


@pytest.mark.parametrize("text", ONE_CALL)
def test_what_llama_writes_for_a_call_is_that_call_with_its_arguments_as_written(text):
    assert search(text).joined == ([("get_weather", PARIS)], "", False, False)


@pytest.mark.parametrize("between", ["; ", "\n", "", ", ", ";\n<|python_tag|>", " ;\r\n\t", "\n```\n```json\n"])
def test_calls_may_follow_each_other(between):
    first, second = ONE_CALL[0], '{"name": "clock", "parameters": null}'
    assert search(first + between + second).joined == ([("get_weather", PARIS), ("clock", "{}")], "", False, False)


def test_calls_may_stand_in_an_array():
    text = f'[{ONE_CALL[0]}, {{"name": "clock", "parameters": {{}}}}]'
    assert search(text).joined == ([("get_weather", PARIS), ("clock", "{}")], "", False, False)


def test_every_call_has_an_id_of_its_own():
    found = ToolCallSearch(NAMES)
    found.push(f"{ONE_CALL[0]};{ONE_CALL[0]}")
    first, second = [call.id for call in found.take()]
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
    ('{"parameters": {}, "arguments": {}, "name": "clock"}', ""),
    ('{"type": "object", "properties": {}}', ""),
    ('{"name": "clock", "parameters": []}', ""),
    ('{"name": "clock", "parameters": "now"}', ""),
    ('{"name": "clock", "parameters": "{\\"a\\": \\"\\ud800\\"}"}', ""),
    ('{"name": "clock", "parameters": {"a" 1}}', ""),
    ("", " \n"),
    ("", "<|python"),
    ("", '{"name": "cl'),
]


@pytest.mark.parametrize(("early", "late"), NO_CALLS)
def test_anything_else_is_text_unchanged(early, late):
    found = search(early + late)
    assert (found.calls, found.early, found.late) == ([], early, late)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("  \n", "  \n"),
        ("<|py", "<|py"),
        ("<p", ""),
        ("so <|python_", " <|python_"),
        ("so \n", " \n"),
        ("``", "``"),
        ("```js", "```js"),
        ("```js so", ""),
        ("[", "["),
        ("[{", "[{"),
        ('{"na', '{"na'),
        ('{"no', ""),
        ('{"name": "c', '{"name": "c'),
        ('{"name": "d', ""),
        ('{"type": "o', ""),
        ('{"name": "clock", "parameters": {"a"', '{"name": "clock", "parameters": {"a"'),
        ('{"name": "clock", "parameters": {a', ""),
        ('{"parameters": {"a": "\\u00e9', '{"parameters": {"a": "\\u00e9'),
        ('{"parameters": {"a": "\\u00eg', ""),
    ],
)
def test_text_is_held_back_only_while_it_can_become_a_call(text, held):
    found = search(text)
    assert (found.early, found.late, found.calls) == (text[: len(text) - len(held)], held, [])


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 01}', '{"a": '),
        ('{"a": 1e999}', '{"a": '),
        ('{"a": ' + "1" * 2000 + "}", '{"a": '),
        ('{"a": NaN}', '{"a": '),
        ('{"a": "\\ud800"}', '{"a": "'),
        ('{"a": "\\udc00\\ud800"}', '{"a": "'),
        ('{"a": "\ud800"}', '{"a": "'),
        ('{"a": "b\n"}', '{"a": "b'),
        ('{"a": 1,}', '{"a": 1,'),
        ('{"a": [1,]}', '{"a": [1,'),
        ('{"a": "\\x"}', '{"a": "'),
        ('{"a": ' + "[" * 64 + "1", '{"a": ' + "[" * 63),
        ('{"a": {"b": [1, 2', '{"a": {"b": [1, '),
        ('{"a": "he said', '{"a": "he said'),
        ('{"a": "he said "so" to me"}', '{"a": "he said "'),
    ],
)
@pytest.mark.parametrize("sizes", [[], [1] * 3000])
def test_a_call_that_breaks_once_it_has_begun_to_go_out_stays_so_and_is_text_too(arguments, sent, sizes):
    text = f'{{"name": "clock", "parameters": {arguments}'
    found = search(text, sizes)
    assert (found.calls, found.is_broken, found.has_rest) == ([("clock", sent)], True, False)
    assert found.text == text.replace("\ud800", "")


def test_behind_a_broken_call_everything_is_text():
    broken = '{"name": "clock", "parameters": {"a": so}}'
    found = search(f"{broken} {ONE_CALL[0]}")
    assert found.joined == ([("clock", '{"a": ')], f"{broken} {ONE_CALL[0]}", True, False)
    found = search(f"{ONE_CALL[0]};{broken} Sorry.")
    assert found.joined == ([("get_weather", PARIS), ("clock", '{"a": ')], f";{broken} Sorry.", True, False)


@pytest.mark.parametrize(
    "rest", ["\nI hope it helps.", '; {"name": "cl', '; {"name": "Paris", "parameters": {}}', ", 5]"]
)
def test_what_else_stands_behind_calls_is_left_out_but_known(rest):
    for sizes in ([], [1] * 400):
        assert search(ONE_CALL[0] + rest, sizes).joined == ([("get_weather", PARIS)], "", False, True)


def test_calls_of_an_array_go_out_though_what_follows_is_none():
    assert search(f"[{ONE_CALL[0]}, 5]").joined == ([("get_weather", PARIS)], "", False, True)


def test_a_call_behind_words_is_text_unless_llamas_tag_stands_before_it():
    text = f"I look it up: {ONE_CALL[0]}"
    assert search(text).joined == ([], text, False, False)
    for tag in (PYTHON_TAG, "<|python_tag|>"):
        found = search(f"I look it up: {tag}{ONE_CALL[0]}")
        assert found.joined == ([("get_weather", PARIS)], "I look it up:", False, False)


def test_a_special_token_that_marks_no_call_is_no_text():
    assert search(f"{PYTHON_TAG}print(1)").joined == ([], "print(1)", False, False)
    assert search("<|python_tag|>print(1)").joined == ([], "<|python_tag|>print(1)", False, False)


def test_a_completion_has_no_more_calls_than_some():
    found = search(ONE_CALL[0] * (MAX_CALLS + 1))
    assert (len(found.calls), found.text, found.is_broken, found.has_rest) == (MAX_CALLS, "", False, True)


def test_without_tools_nothing_is_held_back():
    found = search(ONE_CALL[0], names=())
    assert (found.calls, found.early, found.late) == ([], ONE_CALL[0], "")


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
    found = search(f'{{"name": "clock", "parameters": {written}}}', sizes)
    assert found.joined == ([("clock", written)], "", False, False)


fragments = st.sampled_from(
    [*ONE_CALL, *(early + late for early, late in NO_CALLS), " ", "\n", ";", "{", "}", '"name": ', '"clock"', "so", "é"]
)


@given(st.lists(fragments, max_size=4).map("".join), st.integers(0, 400), pieces)
def test_the_pieces_make_no_difference_and_nothing_is_lost(text, cut, sizes):
    text = text[:cut]
    found = search(text, sizes)
    assert found.joined == search(text).joined
    if not found.calls:
        assert found.text == text
    assert all(is_object(arguments) for _, arguments in found.calls[: len(found.calls) - found.is_broken])


def is_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)
