"""The input of models of 2026 on Workers AI's own route: OpenAI's chat completions without a model, or a prompt.

As their schemas say: temperature up to 2, a schema only in OpenAI's envelope, tools and choices only nested. Fields
that their schemas lack and OpenAI's routes here have, such as `top_k`, are honoured as there.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from bridge.errors import AiError
from bridge.openai.schema import CHAT_SCHEMA
from bridge.validation import refused_fields, vllm_fields
from bridge.validation.refused_fields import Refusal, Refused
from bridge.validation.validator import SchemaValidator
from bridge.validation.violations import describe_all
from bridge.workers_ai.schema import (
    ALLOWED_TOOLS,
    CHOSEN,
    FUNCTION,
    MAX_NAME_CHARACTERS,
    MAX_TOOLS,
    OPTIONAL_STRING,
    PROMPT,
    STRING,
    Schema,
    described,
    object_schema,
)

_WRAPPER: Final[Schema] = described(
    object_schema(
        ["name", "schema"],
        name={**STRING, "maxLength": MAX_NAME_CHARACTERS},
        description=OPTIONAL_STRING,
        schema={"type": "object"},
        strict={"type": ["boolean", "null"]},
    ),
    "A JSON Schema in OpenAI's envelope.",
)
_TOOL: Final[Schema] = object_schema(
    ["type", "function"], type={"enum": ["function"]}, function=object_schema(["name"], **FUNCTION)
)
_FIELDS: Final[Mapping[str, Schema]] = {
    **{name: field for name, field in CHAT_SCHEMA["properties"].items() if name not in ("model", "messages")},
    "temperature": described(
        {"type": "number", "minimum": 0, "maximum": 2, "default": 1},
        "How random the choice is; 0 takes the most likely token.",
    ),
    "top_p": described(
        {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
        "Only the likeliest tokens that have this probability together are chosen; 0 is the likeliest alone.",
    ),
    "max_tokens": described({"type": "integer", "minimum": 1}, "The same as `max_completion_tokens`."),
    "max_completion_tokens": described(
        {"type": "integer", "minimum": 1},
        "The most tokens to generate; without it, what the window has room for.",
    ),
    "response_format": {
        **object_schema(
            ["type"], type={"enum": ["text", "json_object", "json_schema"]}, json_schema={"type": ["object", "null"]}
        ),
        "if": {"properties": {"type": {"const": "json_schema"}}, "required": ["type"]},
        "then": {"properties": {"json_schema": _WRAPPER}, "required": ["json_schema"]},
        "description": "The form of the answer's text.",
    },
    "tools": {"type": "array", "maxItems": MAX_TOOLS, "items": _TOOL, "description": "The tools that may be called."},
    "tool_choice": {
        "oneOf": [
            {"enum": ["auto", "none", "required"]},
            CHOSEN,
            object_schema(["type", "allowed_tools"], type={"enum": ["allowed_tools"]}, allowed_tools=ALLOWED_TOOLS),
        ],
        "description": 'Whether tools are called: "auto", "none", "required", the one that must be or those that may.',
    },
    "options": {"type": "object", "description": "Options of the request; only `queueRequest` changes anything."},
}

PROMPT_SCHEMA: Final[Schema] = {
    "title": "Prompt",
    **object_schema(
        ["prompt"],
        prompt=PROMPT,
        **{name: field for name, field in _FIELDS.items() if name not in vllm_fields.CONVERSATION_FIELDS},
    ),
}
MESSAGES_SCHEMA: Final[Schema] = {
    "title": "Messages",
    **object_schema(["messages"], messages=CHAT_SCHEMA["properties"]["messages"], **_FIELDS),
}

_REFUSED: Final[Refused] = {
    **{name: refusal for name, refusal in refused_fields.CHAT.items() if name not in ("prompt", "raw")},
    "raw": Refusal("use /ai/v1/completions", lambda value: value not in (False, "false")),
}
_REFUSED_OF_PROMPT: Final[Refused] = {**_REFUSED, **refused_fields.NO_CONVERSATION}
_BRANCHES: Final = {"prompt": SchemaValidator(PROMPT_SCHEMA), "messages": SchemaValidator(MESSAGES_SCHEMA)}


def check_run_chat(body: object) -> dict[str, Any]:
    """Checks that a body is one of the two schemas.

    Returns:
        Its fields, without those that are null.

    Raises:
        AiError: It is not, with every violation in its text, or asks for what this surface does not have.
    """
    if not isinstance(body, dict):
        raise AiError("INVALID_REQUEST", describe_all(_BRANCHES["prompt"].iter_errors(body)))
    fields = {name: value for name, value in body.items() if value is not None}
    branches = [branch for name, branch in _BRANCHES.items() if name in fields]
    if len(branches) > 1:
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, {len(branches)} matches")
    refused_fields.check(fields, _REFUSED_OF_PROMPT if "prompt" in fields else _REFUSED)
    _refuse_custom(fields)
    if not branches or not branches[0].is_valid(fields):
        violations = chain.from_iterable(branch.iter_errors(fields) for branch in branches or _BRANCHES.values())
        raise AiError("INVALID_REQUEST", f"oneOf at '/' not met, 0 matches: {describe_all(violations)}")
    return fields


def _refuse_custom(fields: Mapping[str, Any]) -> None:
    """Tells in words what the schema alone would tell as a mistake: tools whose input is no JSON, and flat ones."""
    tools = fields.get("tools")
    choice = fields.get("tool_choice")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and tool.get("type") == "custom":
            raise AiError("INVALID_REQUEST", f"'/tools/{index}/type' is 'custom', but tools here are functions")
        if isinstance(tool, dict) and "function" not in tool and "name" in tool:
            raise AiError("INVALID_REQUEST", f"'/tools/{index}' must have its name in 'function', with type 'function'")
    if isinstance(choice, dict) and choice.get("type") == "custom":
        raise AiError("INVALID_REQUEST", "'/tool_choice/type' is 'custom', but tools here are functions")
