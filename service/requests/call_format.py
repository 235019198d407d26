"""The formats in which models write calls of tools."""

import enum


class CallFormat(enum.Enum):
    """One family's format. The first is also asked for, in words, of models that were trained for none."""

    LLAMA3_JSON = "llama3_json"
    """`{"name": "f", "parameters": {...}}`"""

    HERMES = "hermes"
    """`<tool_call>{"name": "f", "arguments": {...}}</tool_call>`; also Qwen's."""

    MISTRAL = "mistral"
    """`[TOOL_CALLS] [{"name": "f", "arguments": {...}}]`"""

    MISTRAL_NAMED = "mistral_named"
    """`[TOOL_CALLS]f[ARGS]{...}`, Mistral's since 2025."""

    PYTHONIC = "pythonic"
    """`[f(a=1, b="x")]`, of Llama 3.2 and Llama 4."""
