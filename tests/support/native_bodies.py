"""Bodies of the native route with all that is hard to write down in a language, for properties of code."""

from hypothesis import strategies as st

from tests.support.equal_inputs import INPUTS, SAMPLING

NASTY = [
    "'",
    '"',
    "\\",
    "\n",
    "$HOME",
    "`id`",
    "$(id)",
    "!!",
    "*",
    "${x}",
    "%s",
    "{",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\x00",
]
TEXT = st.lists(st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=[])), max_size=4).map("".join)
# V8's JSON.parse takes an escaped name for an earlier one with a backslash, in objects that begin alike.
NAME = st.sampled_from(["__proto__", "constructor", "class", "json", "a-b", "1", "é"]) | TEXT.map(
    lambda text: text.replace("\\", "/")
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(NAME, values, max_size=4),
)
BODIES = st.builds(
    lambda prompt, more, stream: {**more, "prompt": prompt, **stream},
    TEXT,
    st.dictionaries(NAME, JSON, max_size=4),
    st.sampled_from([{}, {"stream": True}]),
)

PARAMETERS = {"type": "object", "properties": {"__proto__": {"type": "string"}, "city": {"enum": ["Paris", "L'Île"]}}}
FLAT = {"name": "weather", "description": "Tells the\nweather.", "parameters": PARAMETERS}
NESTED = {"type": "function", "function": {"name": "time"}}
CALLING = [
    {"role": "user", "content": "How is the weather?"},
    {"role": "assistant", "content": "", "tool_calls": [{"name": "weather", "arguments": {"city": "Paris"}}]},
    {"role": "tool", "name": "weather", "content": '{"sky": "clear"}'},
]
ANSWERED = [
    *CALLING[:1],
    {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "time", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "12:"}, {"type": "text", "text": "00"}]},
]
TOOL_CHOICES = [
    *("auto", "none", "required", "any"),
    {"type": "function", "name": "weather"},
    {"type": "function", "function": {"name": "time"}},
    {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NESTED]}},
]
WITH_TOOLS = st.fixed_dictionaries(
    {"messages": st.sampled_from([CALLING, ANSWERED]), "tools": st.just([FLAT, NESTED])},
    optional={"tool_choice": st.sampled_from(TOOL_CHOICES)},
)
FORMATS = [
    {"type": "json_object"},
    {"type": "json_object", "schema": {"required": ["city"]}},
    {"type": "json_schema", "json_schema": PARAMETERS},
    {"type": "json_schema", "schema": PARAMETERS},
    {"type": "json_schema"},
    {"type": "json_schema", "json_schema": True},
]
WITH_FORMAT = st.builds(
    lambda given, response_format: {**given, "response_format": response_format}, INPUTS, st.sampled_from(FORMATS)
)
WITH_SCHEMA = st.builds(
    lambda given, form: {**given, **form},
    INPUTS,
    st.sampled_from(
        [{"guided_json": PARAMETERS}, {"guided_json": "{}"}, {"structured_outputs": {"json_object": True}}]
    ),
)
SAMPLED = st.builds(lambda given, sampling: {**given, **sampling}, INPUTS, SAMPLING)
NATIVE = SAMPLED | WITH_TOOLS | WITH_FORMAT | WITH_SCHEMA
