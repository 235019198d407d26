"""Calls as each family writes them: Hermes and Qwen, Mistral, Llama 3.2 and 4 in Python's syntax."""

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.output.tool_formats.reading import SPACE
from service.output.tool_formats.special_tokens import SHOWN, without_shown
from service.requests.call_format import CallFormat
from tests.support.tool_calls import ARGS, CALL_ID, TOOL_CALLS, search

HERMES, MISTRAL, NAMED, PYTHONIC = (
    CallFormat.HERMES,
    CallFormat.MISTRAL,
    CallFormat.MISTRAL_NAMED,
    CallFormat.PYTHONIC,
)
ARGUMENTS = '{"city": "Zürich \\"Wiedikon\\" 🙂", "days": 4.0, "units": null, "of": [{"a": true}]}'
WEATHER = ("get_weather", ARGUMENTS)
CLOCK = ("clock", "{}")
TWO = [CLOCK, CLOCK]
HERMES_CALL = f'<tool_call>\n{{"name": "get_weather", "arguments": {ARGUMENTS}}}\n</tool_call>'
HERMES_CLOCK = '<tool_call>{"arguments": {}, "name": "clock"}</tool_call>'
MISTRAL_CALL = f'{{"name": "get_weather", "arguments": {ARGUMENTS}, "id": "Ab3dE6gHi"}}'
MISTRAL_CLOCK = '{"name":"clock","arguments":{}}'
PYTHON = "city='Zürich \"Wiedikon\" 🙂', days=4.0, units=None, of=[{'a': True}]"

START, END = SHOWN["<|python_start|>"], SHOWN["<|python_end|>"]

CALLS: list[tuple[CallFormat, str, str, list[tuple[str, str]]]] = [
    (HERMES, HERMES_CALL, "", [WEATHER]),
    (HERMES, f"{HERMES_CALL}\n{HERMES_CLOCK}", "", [WEATHER, CLOCK]),
    (HERMES, f"I look.\n\n{HERMES_CALL}", "I look.", [WEATHER]),
    (HERMES, f"A < b <tool_ {HERMES_CLOCK}{HERMES_CALL}\n", "A < b <tool_", [CLOCK, WEATHER]),
    (HERMES, HERMES_CALL.replace("</tool_call>", "") + HERMES_CLOCK, "", [WEATHER, CLOCK]),
    (HERMES, HERMES_CALL.replace("<tool_call>", SHOWN["<tool_call>"]).replace("</tool_call>", ""), "", [WEATHER]),
    (
        HERMES,
        '<tool_call>{"name":"clock","arguments":{}}{"name":"clock","arguments":"{}"}</tool_call>',
        "",
        [CLOCK] * 2,
    ),
    (HERMES, f"<tool_call>none</tool_call> {HERMES_CLOCK}", "<tool_call>none</tool_call>", [CLOCK]),
    (MISTRAL, f"{TOOL_CALLS} [{MISTRAL_CALL}, {MISTRAL_CLOCK}]", "", [WEATHER, CLOCK]),
    (MISTRAL, f"[TOOL_CALLS][{MISTRAL_CALL}]", "", [WEATHER]),
    (MISTRAL, f"I look. {TOOL_CALLS}{MISTRAL_CALL}", "I look.", [WEATHER]),
    (MISTRAL, f"{TOOL_CALLS}get_weather{ARGS}{ARGUMENTS}{TOOL_CALLS}clock{ARGS}{{}}", "", [WEATHER, CLOCK]),
    (NAMED, f"{TOOL_CALLS}get_weather{ARGS}{ARGUMENTS}{TOOL_CALLS}clock{ARGS} {{}}", "", [WEATHER, CLOCK]),
    (NAMED, f"I look.{TOOL_CALLS}get_weather{CALL_ID}Ab3dE6gHi{ARGS}{ARGUMENTS}", "I look.", [WEATHER]),
    (NAMED, f"[TOOL_CALLS]get_weather[CALL_ID]Ab3dE6gHi[ARGS]{ARGUMENTS}", "", [WEATHER]),
    (NAMED, f"{TOOL_CALLS}clock{{}}", "", [CLOCK]),
    (PYTHONIC, f"[get_weather({PYTHON}), clock()]", "", [WEATHER, CLOCK]),
    (PYTHONIC, f" [ get_weather( {PYTHON} , ) , ]\n", "", [WEATHER]),
    (PYTHONIC, f"{START}[get_weather({PYTHON})]{END}", "", [WEATHER]),
    (PYTHONIC, f"I look. {START}clock(){END}", "I look.", [CLOCK]),
    (PYTHONIC, f"<|python_tag|>get_weather({PYTHON})", "", [WEATHER]),
    (PYTHONIC, f"```tool_code\n[get_weather({PYTHON})]\n```", "", [WEATHER]),
    (PYTHONIC, f"```python\nclock()\n```\n```python\nget_weather({PYTHON})\n```", "", [CLOCK, WEATHER]),
]


@pytest.mark.parametrize(("call_format", "text", "said", "calls"), CALLS)
@pytest.mark.parametrize("size", [0, 1])
def test_what_a_family_writes_is_calls_and_the_text_before_them(call_format, text, said, calls, size):
    assert search(text, [size] * len(text), call_format).joined == (calls, said, False, False)


@pytest.mark.parametrize(
    ("call_format", "text"),
    [
        (HERMES, '{"name": "clock", "arguments": {}}'),
        (HERMES, "<tool_call>clock</tool_call>"),
        (HERMES, '<tool_call>{"name": "Paris", "arguments": {}}</tool_call>'),
        (HERMES, "So <tool_call"),
        (HERMES, '<tool_call>\n{"name": "clock", "argum'),
        (HERMES, " \n"),
        (MISTRAL, f"[{MISTRAL_CLOCK}]"),
        (MISTRAL, "[TOOL_CALLS] none"),
        (MISTRAL, f"[TOOL_CALLS] [{MISTRAL_CLOCK[:-3]}"),
        (NAMED, "[TOOL_CALLS]clocks[ARGS]{}"),
        (NAMED, "[TOOL_CALLS]clock[ARGS][]"),
        (NAMED, "[TOOL_CALLS]clock[CALL_ID]" + "a" * 65 + "[ARGS]{}"),
        (PYTHONIC, "clock()"),
        (PYTHONIC, "[1, 2]"),
        (PYTHONIC, "[Paris()]"),
        (PYTHONIC, "[clock(5)]"),
        (PYTHONIC, "[clock(*a)]"),
        (PYTHONIC, "[clock(=1)]"),
        (PYTHONIC, "[clock(**{1: 2})]"),
        (PYTHONIC, "[clock(" + "a" * 300 + "=1)]"),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_what_is_no_call_is_text_unchanged(call_format, text, size):
    assert search(text, [size] * len(text), call_format).joined == ([], text, False, False)


@pytest.mark.parametrize(
    ("call_format", "text", "arguments"),
    [
        (HERMES, '<tool_call>{"name": "clock", "arguments": {"a": nothing}}</tool_call>', '{"a": '),
        (HERMES, '<tool_call>{"name": "clock", "arguments": {"a": "b', '{"a": "b'),
        (MISTRAL, '[TOOL_CALLS] [{"name": "clock", "arguments": {"a": \'b\'}}]', '{"a": '),
        (NAMED, '[TOOL_CALLS]clock[ARGS]{"a": tru', '{"a": '),
        (PYTHONIC, "[clock(a=b)]", '{"a": '),
        (PYTHONIC, "[clock(a=0x1)]", '{"a": 0'),
        (PYTHONIC, "[clock(a=1e999)]", '{"a": '),
        (PYTHONIC, "[clock(a=007)]", '{"a": '),
        (PYTHONIC, "[clock(a='\\N{BULLET}')]", '{"a": "'),
        (PYTHONIC, "[clock(a='\\ud800')]", '{"a": "'),
        (PYTHONIC, "[clock(a='\\U00110000')]", '{"a": "'),
        (PYTHONIC, "[clock(a='b\n')]", '{"a": "b'),
        (PYTHONIC, "[clock(a=1 b=2)]", '{"a": 1'),
        (PYTHONIC, "[clock(a=" + "(" * 64 + "1", '{"a": ' + "[" * 63),
        (PYTHONIC, "[clock(a=1, b=", '{"a": 1, "b": '),
        (PYTHONIC, "[clock(a={1: 2})]", '{"a": {'),
    ],
)
@pytest.mark.parametrize("size", [0, 1])
def test_a_call_that_breaks_while_it_goes_out_is_given_back_as_text_with_all_behind_it(
    call_format, text, arguments, size
):
    found = search(f"{text} Sorry.", [size] * len(text), call_format)
    is_cut = not text.endswith(("]", ">"))
    assert found.calls[0][1].startswith(arguments)
    assert (found.text, found.is_broken, found.has_rest) == (f"{text} Sorry.", True, False)
    if not is_cut:
        assert found.calls == [("clock", arguments)]


def test_behind_calls_only_further_calls_count():
    text = f"{HERMES_CALL} That is it. {HERMES_CLOCK} Bye <tool_"
    assert search(text, call_format=HERMES).joined == ([WEATHER, CLOCK], "", False, True)
    text = f"{TOOL_CALLS}clock{ARGS}{{}} That is it. {TOOL_CALLS}get_weather{ARGS}{ARGUMENTS}"
    assert search(text, call_format=NAMED).joined == ([CLOCK, WEATHER], "", False, True)


@pytest.mark.parametrize(
    ("call_format", "text", "has_rest"),
    [
        (HERMES, HERMES_CALL[: -len("ol_call>")], False),
        (HERMES, f"{HERMES_CALL}\n<tool_", True),
        (HERMES, f"{HERMES_CALL}\n<tool_call>", True),
        (HERMES, f'{HERMES_CALL}\n<tool_call>{{"na', True),
        (MISTRAL, f"{TOOL_CALLS} [{MISTRAL_CALL}", False),
        (MISTRAL, f'{TOOL_CALLS} [{MISTRAL_CALL}, {{"na', True),
        (PYTHONIC, "[get_weather(" + PYTHON + ")", False),
        (PYTHONIC, "[get_weather(" + PYTHON + "), cl", True),
    ],
)
def test_a_cut_behind_whole_calls_tells_whether_another_had_begun(call_format, text, has_rest):
    assert search(text, call_format=call_format).joined == ([WEATHER], "", False, has_rest)


def test_special_tokens_that_mark_no_call_are_no_text():
    text = f"a{TOOL_CALLS}b{ARGS} c"
    assert search(text, call_format=NAMED).joined == ([], "ab c", False, False)


@pytest.mark.parametrize(
    ("call_format", "text", "pieces"),
    [
        (HERMES, HERMES_CALL, ["{", '"city": "Zü', "rich "]),
        (NAMED, f"{TOOL_CALLS}get_weather{ARGS}{ARGUMENTS}", ["{", '"city": "Zü', "rich "]),
        (PYTHONIC, f"[get_weather({PYTHON})]", ['{"city": ', '"Zü', "rich "]),
    ],
)
def test_the_name_goes_out_first_and_arguments_as_they_are_written(call_format, text, pieces):
    begin, end = text.index("Zü") + 2, text.index("rich") + 5
    found = search(text, [begin, end - begin], call_format)
    first, second = found.deltas[0], found.deltas[1]
    assert [(delta.name, delta.arguments_json) for delta in first] == [("get_weather", '{"city": "Zü')]
    assert [(delta.id, delta.name, delta.arguments_json) for delta in second] == [("", "", "rich ")]


names = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
sizes = st.lists(st.integers(1, 9), max_size=80)


@given(st.dictionaries(names, values, max_size=3), sizes)
def test_what_python_writes_of_values_comes_out_as_json_that_means_the_same(arguments: dict[str, Any], sizes):
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    found = search(f"[clock({written})]", sizes, PYTHONIC)
    ((name, told),) = found.calls
    assert (name, json.loads(told), found.text) == ("clock", arguments, "")


STRINGS = st.lists(st.sampled_from(["a", "'", '"', "\\n", "\\'", '\\"', "\\\\", "\\x41", "\\u00e9", "\\d", "é", " "]))


@given(STRINGS.map("".join), st.sampled_from(["'", '"', "'''", '"""']))
def test_python_reads_a_string_like_python(inner: str, quote: str):
    text = f"{quote}{inner}{quote}"
    try:
        expected = ast.literal_eval(text.replace("\\d", "\\\\d"))
    except SyntaxError:
        return
    if not isinstance(expected, str) or text.count(quote[0]) != 2 * len(quote) + inner.count(quote[0]):
        return
    found = search(f"[clock(a={text})]", call_format=PYTHONIC)
    if not found.is_broken:
        assert json.loads(found.calls[0][1]) == {"a": expected}


WRITERS = {
    CallFormat.LLAMA3_JSON: lambda name, written: f'{{"name": "{name}", "parameters": {written}}};',
    HERMES: lambda name, written: f'<tool_call>\n{{"name": "{name}", "arguments": {written}}}\n</tool_call>\n',
    MISTRAL: lambda name, written: f'{TOOL_CALLS} [{{"name": "{name}", "arguments": {written}}}]',
    NAMED: lambda name, written: f"{TOOL_CALLS}{name}{ARGS}{written}",
    PYTHONIC: lambda name, written: f"[{name}(**{json.loads(written)!r})]",
}


@pytest.mark.parametrize("call_format", CallFormat)
@given(st.lists(st.tuples(st.sampled_from(["clock", "get_weather"]), objects), max_size=3), sizes)
def test_any_calls_are_found_however_the_text_is_cut(call_format, calls, sizes):
    text = "".join(WRITERS[call_format](name, json.dumps(arguments, ensure_ascii=False)) for name, arguments in calls)
    found = search(text, sizes, call_format)
    assert [(name, json.loads(told)) for name, told in found.calls] == calls
    assert (found.text, found.is_broken, found.has_rest) == ("", False, False)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("call_format", "text"),
    [
        (HERMES, f"{HERMES_CALL}<tool_call>none</tool_call>{HERMES_CLOCK}"),
        (HERMES, f"{HERMES_CALL} <tool_call><tool_call>{HERMES_CLOCK}"),
        (MISTRAL, f"[TOOL_CALLS][{MISTRAL_CALL}][TOOL_CALLS]5[TOOL_CALLS][{MISTRAL_CLOCK}]"),
        (NAMED, f"{TOOL_CALLS}get_weather{ARGS}{ARGUMENTS}{TOOL_CALLS}{TOOL_CALLS}clock{ARGS}{{}}"),
        (PYTHONIC, f"[get_weather({PYTHON})] so <|python_tag|>```so {START}clock(){END}"),
        (PYTHONIC, f"[get_weather({PYTHON})] so {START}```so {START}clock(){END}"),
        (CallFormat.LLAMA3_JSON, f"{MISTRAL_CALL[:-19]}}} so <|python_tag|>so <|python_tag|>{MISTRAL_CLOCK}"),
    ],
)
def test_a_marker_behind_calls_that_begins_none_is_left_out_once(call_format, text, size):
    found = search(text, [size] * len(text), call_format)
    assert found.joined == ([WEATHER, CLOCK], "", False, True)


FRAGMENTS = [
    *(text for _, text, _, _ in CALLS),
    *(
        "<|python_tag|>",
        "<tool_call>",
        "</tool_call>",
        "[TOOL_CALLS]",
        "[ARGS]",
        TOOL_CALLS,
        ARGS,
        START,
        END,
        "```json\n",
        "```",
    ),
    *('{"name": "clock", "arguments": {"a": ', "[clock(a=", "clock", "clock(", '"x"', "}", "]", ")", " ", "\n", "so"),
]


@pytest.mark.parametrize("call_format", CallFormat)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=5).map("".join), st.integers(0, 400), sizes)
def test_the_pieces_make_no_difference_and_no_text_is_lost(call_format, text, cut, sizes):
    text = text[:cut]
    found = search(text, sizes, call_format)
    assert found.joined == search(text, call_format=call_format).joined
    whole = found.calls[:-1] if found.is_broken else found.calls
    assert all(isinstance(json.loads(arguments), dict) for _, arguments in whole)
    if found.is_broken:
        with pytest.raises(ValueError, match=r"."):
            json.loads(found.calls[-1][1])
    if not found.calls:
        assert found.text == without_shown(text)
    elif not found.is_broken:
        assert without_shown(text).startswith(found.text)
        assert found.text == found.text.rstrip(SPACE)
