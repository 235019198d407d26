"""Bodies of any JSON, with a liking for the words that mean something."""

from hypothesis import strategies as st

from bridge.workers_ai.schema import FIELDS

NESTED = ["role", "content", "type", "text", "name", "function", "arguments", "parameters", "tool_calls"]
WORDS = [*FIELDS, "prompt", "messages", *NESTED]
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
VALUES = ["user", "text", "auto", "function", "json_object", "true"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | TEXT, inner, max_size=6),
    max_leaves=20,
)

BODIES = JSON | st.dictionaries(st.sampled_from(WORDS), JSON)
