"""What Cloudflare's schemas and captures say of answers on Workers AI's own route, by the shape of a model.

Written down from its documentation (src/content/workers-ai-models, 2026) and from captures of streams; nothing here is
made of the bridge's own schemas.
"""

from typing import Any

COUNT = {"type": "integer", "minimum": 0}
STRING = {"type": "string"}
USAGE = {
    "type": "object",
    "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), COUNT),
    "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _array(items: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **keywords}


NATIVE = _object(
    "response usage",
    response={"type": ["string", "object", "null"]},
    usage=USAGE,
    tool_calls=_array(_object("name arguments", name=STRING, arguments={"type": "object"})),
)

CALL = _object(
    "id type function", id=STRING, type={"const": "function"}, function=_object("name arguments", arguments=STRING)
)
CHAT = _object(
    "id object created model choices usage",
    object={"const": "chat.completion"},
    created=COUNT,
    model=STRING,
    usage=USAGE,
    choices=_array(
        _object(
            "index message finish_reason logprobs",
            index=COUNT,
            message=_object(
                "role content refusal",
                role={"const": "assistant"},
                content={"type": ["string", "null"]},
                refusal={"type": ["string", "null"]},
                tool_calls=_array(CALL),
            ),
            finish_reason={"enum": ["stop", "length", "tool_calls", "content_filter", "function_call"]},
            logprobs={"type": ["object", "null"]},
        ),
        minItems=1,
    ),
)
TEXT = _object(
    "id object created model choices usage",
    object={"const": "text_completion"},
    usage=USAGE,
    choices=_array(_object("index text", index=COUNT, text=STRING), minItems=1),
)
GUARD = _object(
    "response",
    response={
        "anyOf": [
            STRING,
            _object(
                "safe",
                safe={"type": "boolean"},
                categories=_array({"enum": [f"S{number}" for number in range(1, 15)]}),
            ),
        ]
    },
    usage=USAGE,
)

RESPONSE = _object(
    "id object created_at model output usage error",
    object={"const": "response"},
    created_at=COUNT,
    output=_array(
        _object("type content", type={"const": "message"}, content=_array(_object("type text", text=STRING))),
        minItems=1,
    ),
    usage=_object("input_tokens output_tokens total_tokens", input_tokens=COUNT, output_tokens=COUNT),
    error={"type": ["object", "null"]},
)

CHUNK = _object(
    "id object created model choices",
    object={"enum": ["chat.completion.chunk", "text_completion"]},
    choices=_array(_object("index", index=COUNT), minItems=1),
)
NATIVE_END = _object("response usage", response={"const": ""}, usage=USAGE)
"""The last event of every stream before `[DONE]`, whatever the shape of the others is."""
