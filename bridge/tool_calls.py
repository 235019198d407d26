"""Calls of tools: whether a request asks for one in any case, and those of a stream, put together."""

import json
from collections.abc import Iterable

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.json_text import JsonText


def is_call_forced(request: pb.RunRequest) -> bool:
    """Whether the answer must be a call: `tool_choice` is "required" or names a tool."""
    choice = request.tool_choice
    return bool(choice.name) or choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED


def check_forced_call(
    request: pb.RunRequest, last: pb.RunResponse | pb.RunStreamResponse, *, has_tool_calls: bool
) -> None:
    """Refuses to pass off for an answer what a forced call was cut down to.

    Args:
        request: What was asked.
        last: The whole answer, or the last part of a streamed one.
        has_tool_calls: Whether the answer, all its parts together, calls a tool.

    Raises:
        AiError: The answer had to be a call and is none.
    """
    if has_tool_calls or not is_call_forced(request):
        return
    if last.finish_reason == pb.FINISH_REASON_LENGTH:
        num_tokens = last.usage.completion_tokens
        raise AiError("TOOL_CALL_CUT", f"'/max_tokens' has cut the tool call at {num_tokens}, ask for more")
    message = "a stop sequence or token has cut the tool call, leave '/stop' and '/stop_token_ids' out"
    raise AiError("TOOL_CALL_CUT", message)


def arguments_of(call: pb.ToolCall) -> JsonText:
    """The arguments of a call as an object of JSON.

    Raises:
        AiError: They are cut.
    """
    try:
        # Only looked at: numbers that Python has no value for are numbers nevertheless.
        json.loads(call.arguments_json, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise AiError("TOOL_CALL_CUT", f"the arguments for {call.name!r} are not whole, ask for more tokens") from None
    return JsonText(call.arguments_json)


class ToolCalls:
    """Puts the tool calls of one stream together, whose deltas may come interleaved."""

    def __init__(self) -> None:
        self._calls: dict[int, pb.ToolCall] = {}

    def add(self, deltas: Iterable[pb.ToolCallDelta]) -> None:
        """Takes the deltas of a part."""
        for delta in deltas:
            call = self._calls.setdefault(delta.index, pb.ToolCall())
            call.id += delta.id
            call.name += delta.name
            call.arguments_json += delta.arguments_json

    @property
    def whole(self) -> list[pb.ToolCall]:
        """The calls, in the order of their indices; whole once the last part has come."""
        return [self._calls[index] for index in sorted(self._calls)]
