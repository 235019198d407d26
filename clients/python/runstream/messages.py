"""Messages of a conversation, as dataclasses or as dicts like OpenAI's."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runstream.fields import json_text, list_of, set_field, shown
from runstream.spelling import check_names
from runstream.tools import check_function_type
from runstream.v1 import text_generation_pb2 as pb


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model makes.

    Attributes:
        id: What the message with its result repeats as `tool_call_id`.
        name: The tool's name.
        arguments_json: The arguments, a JSON object as the model has written it.
    """

    id: str
    name: str
    arguments_json: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name; raises ValueError where `max_tokens` has cut them."""
        arguments: dict[str, Any] = json.loads(self.arguments_json or "{}")
        return arguments


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: "system", "user", "assistant" or "tool", or another that the model's chat template knows.
        content: What is said; several texts are joined with nothing between them.
        tool_calls: For role "assistant": the calls that it made.
        tool_call_id: For role "tool": the id of the call that this answers.
        name: For role "tool": the name of the tool.
        reasoning_content: For role "assistant": what it thought before; the chat template decides who sees it again.
    """

    role: str
    content: str | Sequence[str] = ""
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str = ""
    name: str = ""
    reasoning_content: str = ""


MessageLike = Message | Mapping[str, Any] | pb.Message

_KEYS: Final = ("role", "content", "tool_calls", "tool_call_id", "name", "reasoning_content")


def to_message(message: MessageLike, where: str) -> pb.Message:
    """Translates a message to the contract's.

    Args:
        where: Its place in the request, for errors, such as "messages[2]".

    Raises:
        TypeError: It has a key or a value that no message has.
        ValueError: A text is not one of whole characters.
    """
    if isinstance(message, pb.Message):
        return message
    if isinstance(message, Message):
        fields: Mapping[str, Any] = {name: getattr(message, name) for name in _KEYS}
    elif isinstance(message, Mapping):
        check_names(message, _KEYS, where)
        fields = message
    else:
        raise TypeError(f"{where} is of type {type(message).__name__}: give a dict or a runstream.Message")
    if not isinstance(fields.get("role"), str):
        raise TypeError(f'{where} has no role: give "user", "system", "assistant" or "tool"')
    made = pb.Message()
    for name in ("role", "tool_call_id", "name", "reasoning_content"):
        set_field(made, name, _or_empty(fields.get(name)), f"{where}.{name}")
    if fields.get("content") is None and not fields.get("tool_calls"):
        raise TypeError(f'{where} has no content: give a text, "" for none')
    for text in _texts(fields.get("content"), f"{where}.content"):
        set_field(made.content.add(), "text", text, f"{where}.content")
    calls = fields.get("tool_calls")
    for number, call in enumerate([] if calls is None else list_of(calls, f"{where}.tool_calls")):
        made.tool_calls.append(_tool_call(call, f"{where}.tool_calls[{number}]"))
    return made


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def _texts(content: Any, where: str) -> Iterable[str]:
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise TypeError(f"{where} is of type {type(content).__name__}: give a text or a list of text parts")
    return [_text(part, f"{where}[{number}]") for number, part in enumerate(content)]


def _text(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") == "text" and isinstance(part.get("text"), str):
        check_names(part, ("type", "text"), where)
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise TypeError(f"{where} is no text but {shown(kind)}: models here take text only")


def _tool_call(call: Any, where: str) -> pb.ToolCall:
    if isinstance(call, pb.ToolCall):
        return call
    if isinstance(call, ToolCall):
        return _made_call(call.id, call.name, call.arguments_json, where)
    if not isinstance(call, Mapping):
        raise TypeError(f"{where} is of type {type(call).__name__}: give a dict or a runstream.ToolCall")
    check_function_type(call, where)
    function: Any = call
    keys = {"id", "type", "name", "arguments"}
    if "function" in call:
        check_names(call, ("id", "type", "function"), where)
        where, function, keys = f"{where}.function", call["function"], {"name", "arguments"}
    if not isinstance(function, Mapping):
        raise TypeError(f"{where} is of type {type(function).__name__}: give a dict")
    check_names(function, keys, where)
    arguments = _or_empty(function.get("arguments"))
    text = arguments if isinstance(arguments, str) else json_text(arguments, f"{where}.arguments")
    return _made_call(_or_empty(call.get("id")), _or_empty(function.get("name")), text, where)


def _made_call(call_id: Any, name: Any, arguments: str, where: str) -> pb.ToolCall:
    made = pb.ToolCall()
    for field, value in (("id", call_id), ("name", name), ("arguments_json", arguments)):
        set_field(made, field, value, f"{where}.{field.removesuffix('_json')}")
    return made
