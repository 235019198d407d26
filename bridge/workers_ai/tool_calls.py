"""Calls of tools: their arguments as JSON, and those of a stream, put together."""

import json
from collections.abc import Iterable

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.json_text import JsonText


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
