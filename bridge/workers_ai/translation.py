"""From the JSON of Workers AI's dialect to a `RunRequest`. What the dialect means is said here and nowhere else.

Whether a model can do what a request asks is the service's to say.
"""

import json
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.spelling import Spelling, spelling_of
from bridge.validation import vllm_fields
from bridge.validation.refused_fields import check_media

INT32_MAX: Final = 2**31 - 1

# The contract's is above 0: by this the likeliest token is alone, as 0 means it.
LEAST_TOP_P: Final = sys.float_info.min


def _int32(value: float | str) -> int:
    """A count or a token id. More than the contract can say is also more than any model has: the service refuses it."""
    return min(int(value), INT32_MAX)


SAMPLING_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "max_tokens": _int32,
    "temperature": float,
    "top_k": _int32,
    "top_p": lambda top_p: float(top_p) or LEAST_TOP_P,
    "repetition_penalty": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "min_p": float,
    "min_tokens": _int32,
    "ignore_eos": bool,
    "logit_bias": lambda biases: {_int32(token_id): float(bias) for token_id, bias in biases.items()},
    "seed": lambda seed: (int(seed) + 2**63) % 2**64 - 2**63,
    "bad_words": list,
    "allowed_token_ids": lambda token_ids: [_int32(token_id) for token_id in token_ids],
}

TOOL_CHOICE_MODES: Final = {
    "auto": pb.TOOL_CHOICE_MODE_AUTO,
    "none": pb.TOOL_CHOICE_MODE_NONE,
    "required": pb.TOOL_CHOICE_MODE_REQUIRED,
    "any": pb.TOOL_CHOICE_MODE_REQUIRED,
}


class RunInput(NamedTuple):
    """The input of one answer.

    Attributes:
        request: The same in the contract's words.
        is_streamed: Whether the answer is to come in parts.
        spelling: Where the body has what may be found fault with.
    """

    request: pb.RunRequest
    is_streamed: bool
    spelling: Spelling = MappingProxyType({})


def to_run_input(model_id: str, fields: dict[str, Any]) -> RunInput:
    """Reads checked inputs.

    Raises:
        AiError: They ask for what this surface does not have.
    """
    response_format = to_response_format(fields["response_format"]) if "response_format" in fields else None
    request, spelling = to_request(model_id, fields, response_format)
    _set_input(request, fields)
    is_streamed = fields.get("stream", False)
    if is_streamed and is_json(request):
        raise AiError("FORMAT_STREAMED")
    return RunInput(request, is_streamed, spelling)


def to_request(
    model_id: str, fields: dict[str, Any], response_format: pb.ResponseFormat | None
) -> tuple[pb.RunRequest, dict[str, str]]:
    """Reads what all surfaces say in the same fields, which is all but the input; and how they are spelled.

    Args:
        model_id: The model's id.
        fields: The checked body.
        response_format: What its `response_format` asks for, if it does.

    Raises:
        AiError: Some fields do not go together.
    """
    tools = callable_tools(fields)
    spelling = spelling_of(fields, tools)
    request = pb.RunRequest(
        model=model_id,
        sampling_params=to_sampling_params(fields),
        stop_sequences=to_stop_sequences(fields),
        tools=[to_tool(tool) for _, tool in tools],
        include_stop_sequence=fields.get("include_stop_str_in_output", False),
        stop_token_ids=[_int32(token_id) for token_id in fields.get("stop_token_ids", ())],
        cache_salt=fields.get("cache_salt", ""),
        lora=fields.get("lora", ""),
        reasoning_effort=fields.get("reasoning_effort", ""),
    )
    if fields.get("chat_template_kwargs"):
        request.chat_template_kwargs_json = _as_json(fields["chat_template_kwargs"])
    if "truncate_prompt_tokens" in fields:
        request.truncate_prompt_tokens = _int32(fields["truncate_prompt_tokens"])
    form = vllm_fields.to_form(fields, response_format)
    if form is not None:
        request.response_format.CopyFrom(form.response_format)
        spelling |= form.spelling
    if "tool_choice" in fields:
        request.tool_choice.CopyFrom(to_tool_choice(fields["tool_choice"]))
    return request, spelling


def is_json(request: pb.RunRequest) -> bool:
    """Whether the answer is to be one JSON value."""
    return request.response_format.WhichOneof("format") in ("json_object", "json_schema")


def _set_input(request: pb.RunRequest, fields: dict[str, Any]) -> None:
    # Cloudflare's own LoRA example sends `raw` as a string.
    is_raw = fields.get("raw") in (True, "true")
    if "prompt" in fields:
        request.prompt.CopyFrom(pb.Prompt(text=fields["prompt"], raw=is_raw))
    else:
        check_media(fields["messages"])
        messages = [to_message(message) for message in fields["messages"]]
        request.conversation.CopyFrom(to_conversation(messages, fields))
        request.conversation.raw = is_raw


def to_conversation(messages: list[pb.Message], fields: dict[str, Any]) -> pb.Conversation:
    """A conversation, with how it goes on."""
    given = {name: fields[name] for name in vllm_fields.CONVERSATION_FIELDS if name in fields}
    return pb.Conversation(messages=messages, **given)


def to_message(message: dict[str, Any]) -> pb.Message:
    """Reads a checked message."""
    return pb.Message(
        role=message["role"],
        content=to_content(message.get("content")),
        tool_calls=[to_tool_call(call) for call in message.get("tool_calls") or ()],
        tool_call_id=message.get("tool_call_id") or "",
        name=message.get("name") or "",
        reasoning_content=message.get("reasoning_content") or message.get("reasoning") or "",
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
    if given.get("top_k", 1) < 1:
        del given["top_k"]  # vLLM's two ways to say that there is no limit
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
    if response_format["type"] == "json_object" and schema is not False:
        schema = {"type": "object", **({} if schema is True else schema)}
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


def callable_tools(fields: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The tools that a checked body lets the model call, each with its place: all, or those that `tool_choice` allows.

    Raises:
        AiError: It allows one that is not there.
    """
    tools = list(enumerate(fields.get("tools", ())))
    choice = fields.get("tool_choice")
    if not isinstance(choice, dict) or choice["type"] != "allowed_tools":
        return tools
    places = {_name_of(tool): index for index, tool in tools}
    allowed = [_name_of(tool) for tool in choice["allowed_tools"]["tools"]]
    for number, name in enumerate(allowed):
        if name not in places:
            place = f"/tool_choice/allowed_tools/tools/{number}/function/name"
            raise AiError("INVALID_REQUEST", f"'{place}' is the name of none of '/tools'")
    return [(index, tool) for index, tool in tools if _name_of(tool) in allowed]


def _name_of(tool: dict[str, Any]) -> str:
    return str((tool.get("function") or tool)["name"])


def to_tool_choice(choice: str | dict[str, Any]) -> pb.ToolChoice:
    """Reads how free the model is to call tools, or which it must call."""
    if isinstance(choice, str):
        return pb.ToolChoice(mode=TOOL_CHOICE_MODES[choice])
    if choice["type"] == "allowed_tools":
        return pb.ToolChoice(mode=TOOL_CHOICE_MODES[choice["allowed_tools"]["mode"]])
    return pb.ToolChoice(name=(choice.get("function") or choice)["name"])


def _as_json(value: object) -> str:
    """JSON as the contract holds it. A lone surrogate stays one, so that the contract refuses it, as everywhere."""
    return json.dumps(value, ensure_ascii=False)
