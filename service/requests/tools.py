"""A request's tools: what is checked of them, and which of them the model can or must call."""

import re
from collections.abc import Sequence

from runstream.v1 import text_generation_pb2 as pb

from service.errors import InvalidRequestError
from service.requests.json_text import MAX_SCHEMA_CHARACTERS, read_object

MAX_TOOLS_CHARACTERS = 4 * MAX_SCHEMA_CHARACTERS

# The characters that MCP and the providers of models allow, in the longest names that any of them takes.
_NAME = re.compile(r"[a-zA-Z0-9_.:/-]{1,256}")


def callable_tools(request: pb.RunRequest) -> Sequence[pb.Tool]:
    """The tools of a checked request that the model can call."""
    if _is_forbidden(request):
        return ()
    if request.tool_choice.name:
        return [tool for tool in request.tools if tool.name == request.tool_choice.name]
    return request.tools


def has_to_call(request: pb.RunRequest) -> bool:
    """Whether the model must call a tool."""
    return bool(request.tool_choice.name) or request.tool_choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED


def described_tools(request: pb.RunRequest) -> Sequence[pb.Tool]:
    """The tools of a checked request that the prompt tells the model of."""
    return () if _is_forbidden(request) else request.tools


def parameters(tool: pb.Tool, field: str = "tools") -> dict[str, object]:
    """The JSON Schema of a tool's arguments.

    Raises:
        InvalidRequestError: It is none of an object. A checked request's tools raise nothing.
    """
    schema = read_object(tool.parameters_json or '{"type": "object", "properties": {}}', field)
    if "type" in schema and schema["type"] != "object" and "object" not in _listed(schema["type"]):
        raise InvalidRequestError(f'{field} must describe an object: set its type to "object"', field)
    return schema


def arguments(call: pb.ToolCall) -> dict[str, object] | str:
    """The arguments of an earlier call: an object, or the text as it is where a model has written something else.

    A conversation with one call that is cut or wrong could never go on if that were an error.
    """
    try:
        return read_object(call.arguments_json or "{}", "arguments_json")
    except InvalidRequestError:
        return call.arguments_json


def check_tools(request: pb.RunRequest) -> None:
    """Checks tools, the choice among them, and the calls and results in the conversation.

    Raises:
        InvalidRequestError: One of them is wrong, or does not go together with the rest of the request.
    """
    _check_tools(request.tools)
    if request.HasField("tool_choice"):
        _check_choice(request.tool_choice, {tool.name for tool in request.tools})
    if callable_tools(request):
        _check_company(request)
    for index, message in enumerate(request.conversation.messages):
        _check_message(message, f"conversation.messages[{index}]", is_raw=request.conversation.raw)


def _is_forbidden(request: pb.RunRequest) -> bool:
    return request.tool_choice.mode == pb.TOOL_CHOICE_MODE_NONE


def _listed(types: object) -> Sequence[object]:
    return types if isinstance(types, list) else ()


def _check_tools(tools: Sequence[pb.Tool]) -> None:
    num_characters = sum(len(tool.description) + len(tool.parameters_json) for tool in tools)
    if num_characters > MAX_TOOLS_CHARACTERS:
        told = f"descriptions and schemas of {num_characters} characters together"
        message = f"tools has {told}; {MAX_TOOLS_CHARACTERS} are the most"
        raise InvalidRequestError(message, "tools")
    indices: dict[str, int] = {}
    for index, tool in enumerate(tools):
        _check_name(tool.name, f"tools[{index}].name")
        first = indices.setdefault(tool.name, index)
        if first != index:
            message = f"tools[{index}].name is that of tools[{first}] too: give each tool a name of its own"
            raise InvalidRequestError(message, f"tools[{index}].name")
        _check_parameters(tool, f"tools[{index}].parameters_json")


def _check_name(name: str, field: str) -> None:
    if not _NAME.fullmatch(name):
        allowed = '1 to 256 letters, digits, "_", "-", ".", ":" and "/"'
        raise InvalidRequestError(f"{field} is {name!r}; it must be {allowed}", field)


def _check_parameters(tool: pb.Tool, field: str) -> None:
    num_characters = len(tool.parameters_json)
    if num_characters > MAX_SCHEMA_CHARACTERS:
        message = f"{field} has {num_characters} characters; the most that can be used is {MAX_SCHEMA_CHARACTERS}"
        raise InvalidRequestError(message, field)
    parameters(tool, field)


def _check_choice(choice: pb.ToolChoice, names: set[str]) -> None:
    match choice.WhichOneof("choice"):
        case "name":
            if choice.name not in names:
                message = f"tool_choice.name is {choice.name!r}, which is none of the request's tools"
                raise InvalidRequestError(message, "tool_choice.name")
        case "mode":
            modes = (pb.TOOL_CHOICE_MODE_AUTO, pb.TOOL_CHOICE_MODE_NONE, pb.TOOL_CHOICE_MODE_REQUIRED)
            if choice.mode not in modes:
                allowed = ", ".join(map(pb.ToolChoiceMode.Name, modes))
                message = f"tool_choice.mode is {choice.mode}; it must be one of {allowed}"
                raise InvalidRequestError(message, "tool_choice.mode")
            if choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED and not names:
                message = "tool_choice.mode asks for a call, but the request has no tools: send some"
                raise InvalidRequestError(message, "tool_choice.mode")
        case _:
            raise InvalidRequestError("tool_choice is empty: set mode or name", "tool_choice")


def _check_company(request: pb.RunRequest) -> None:
    without = "leave one of them out, or forbid calls by tool_choice"
    if request.prompt.raw or request.conversation.raw or request.HasField("prompt_token_ids"):
        message = (
            f"tools can't be used together with raw text or tokens, which tell the model nothing of them: {without}"
        )
        raise InvalidRequestError(message, "tools")


def _check_message(message: pb.Message, field: str, *, is_raw: bool) -> None:
    """Checks a message's calls, or what it says of the call that it answers."""
    for name, role in (("tool_calls", "assistant"), ("tool_call_id", "tool")):
        if getattr(message, name) and message.role != role:
            problem = f"{field}.{name} is only for messages of role {role!r}, not {message.role!r}"
            raise InvalidRequestError(problem, f"{field}.{name}")
        if getattr(message, name) and is_raw:
            problem = f"{field}.{name} can't be used together with raw, for which only the messages' texts are joined"
            raise InvalidRequestError(problem, f"{field}.{name}")
    for index, call in enumerate(message.tool_calls):
        _check_name(call.name, f"{field}.tool_calls[{index}].name")
