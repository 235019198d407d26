"""From the JSON of Workers AI's dialect to a `RunRequest`. What the dialect means is said here and nowhere else.

Whether a model can do what a request asks is the service's to say.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError

INT32_MAX: Final = 2**31 - 1


def _int32(value: float | str) -> int:
    """A count or a token id. More than the contract can say is also more than any model has: the service refuses it."""
    return min(int(value), INT32_MAX)


SAMPLING_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "max_tokens": _int32,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "repetition_penalty": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "min_p": float,
    "min_tokens": _int32,
    "ignore_eos": bool,
    "logit_bias": lambda biases: {_int32(token_id): float(bias) for token_id, bias in biases.items()},
    "seed": int,
}

TOOL_CHOICE_MODES: Final = {
    "auto": pb.TOOL_CHOICE_MODE_AUTO,
    "none": pb.TOOL_CHOICE_MODE_NONE,
    "required": pb.TOOL_CHOICE_MODE_REQUIRED,
    "any": pb.TOOL_CHOICE_MODE_REQUIRED,
}


class Question(NamedTuple):
    """What a client asks.

    Attributes:
        request: The same in the contract's words.
        is_streamed: Whether the answer is to come in parts.
    """

    request: pb.RunRequest
    is_streamed: bool


def to_question(model: str, fields: dict[str, Any]) -> Question:
    """Reads checked inputs.

    Raises:
        AiError: They ask for what this surface does not have.
    """
    if "lora" in fields:
        raise AiError("LORA_UNSUPPORTED", f"The model {model} does not support LoRa inference")
    if "functions" in fields:
        raise AiError("INVALID_REQUEST", "'/functions' is not supported, describe the functions in '/tools'")
    request = pb.RunRequest(
        model=model,
        sampling_params=to_sampling_params(fields),
        stop_sequences=to_stop_sequences(fields),
        tools=[to_tool(tool) for tool in fields.get("tools", ())],
    )
    _set_input(request, fields)
    is_streamed = fields.get("stream", False)
    if "response_format" in fields:
        if is_streamed:
            raise AiError("FORMAT_STREAMED")
        request.response_format.CopyFrom(to_response_format(fields["response_format"]))
    if "tool_choice" in fields:
        request.tool_choice.CopyFrom(to_tool_choice(fields["tool_choice"]))
    return Question(request, is_streamed)


def _set_input(request: pb.RunRequest, fields: dict[str, Any]) -> None:
    # Cloudflare's own LoRA example sends `raw` as a string.
    is_raw = fields.get("raw") in (True, "true")
    if "prompt" in fields:
        request.prompt.CopyFrom(pb.Prompt(text=fields["prompt"], raw=is_raw))
    else:
        messages = [to_message(message) for message in fields["messages"]]
        request.conversation.CopyFrom(pb.Conversation(messages=messages, raw=is_raw))


def to_message(message: dict[str, Any]) -> pb.Message:
    """Reads a checked message."""
    return pb.Message(
        role=message["role"],
        content=to_content(message.get("content")),
        tool_calls=[to_tool_call(call) for call in message.get("tool_calls") or ()],
        tool_call_id=message.get("tool_call_id") or "",
        name=message.get("name") or "",
    )


def to_content(content: str | list[dict[str, str]] | None) -> list[pb.ContentPart]:
    """Reads a message's content: one text or several, or none."""
    if content is None:
        return []
    texts = [content] if isinstance(content, str) else [part["text"] for part in content]
    return [pb.ContentPart(text=text) for text in texts]


def to_tool_call(call: dict[str, Any]) -> pb.ToolCall:
    """Takes Workers AI's spelling and OpenAI's, where the arguments are JSON in a string; none are an empty object."""
    function = call.get("function") or call
    arguments = function.get("arguments")
    if arguments is None:
        arguments = {}
    arguments_json = arguments if isinstance(arguments, str) else _as_json(arguments)
    return pb.ToolCall(id=call.get("id") or "", name=function["name"], arguments_json=arguments_json)


def to_sampling_params(fields: dict[str, Any]) -> pb.SamplingParams:
    """Reads the fields that say how tokens are chosen, those that are there."""
    given: dict[str, Any] = {name: convert(fields[name]) for name, convert in SAMPLING_FIELDS.items() if name in fields}
    return pb.SamplingParams(**given)


def to_stop_sequences(fields: dict[str, Any]) -> list[str]:
    """Reads `stop`, one text or several."""
    stop = fields.get("stop", [])
    return [stop] if isinstance(stop, str) else stop


def to_response_format(response_format: dict[str, Any]) -> pb.ResponseFormat:
    """Reads the form of the answer; Workers AI's `json_schema` is the bare schema.

    Raises:
        AiError: It has two schemas.
    """
    schemas = [schema for name in ("json_schema", "schema") if (schema := response_format.get(name)) is not None]
    if len(schemas) > 1:
        message = "'/response_format' has both 'json_schema' and 'schema', leave one of them out"
        raise AiError("INVALID_REQUEST", message)
    if not schemas:
        return pb.ResponseFormat(json_object=pb.JsonObject())
    (schema,) = schemas
    if response_format["type"] == "json_object" and isinstance(schema, dict):
        schema = {"type": "object", **schema}
    return pb.ResponseFormat(json_schema=_as_json(schema))


def to_tool(tool: dict[str, Any]) -> pb.Tool:
    """Takes Workers AI's flat spelling and OpenAI's."""
    function = tool.get("function") or tool
    parameters = function.get("parameters")
    return pb.Tool(
        name=function["name"],
        description=function.get("description") or "",
        parameters_json="" if parameters is None else _as_json(parameters),
    )


def to_tool_choice(choice: str | dict[str, Any]) -> pb.ToolChoice:
    """Reads how free the model is to call tools, or which it must call."""
    if isinstance(choice, str):
        return pb.ToolChoice(mode=TOOL_CHOICE_MODES[choice])
    return pb.ToolChoice(name=(choice.get("function") or choice)["name"])


def _as_json(value: object) -> str:
    """JSON as the contract holds it. A lone surrogate stays one, so that the contract refuses it, as everywhere."""
    return json.dumps(value, ensure_ascii=False)
