"""Calls of tools: which are whole, and those of a stream, put together."""

import json
from collections.abc import Iterable

from runstream.v1 import text_generation_pb2 as pb


def is_whole(call: pb.ToolCall) -> bool:
    """Whether a call's arguments are an object of JSON; if not, the call was cut or broke, and is text as well."""
    try:
        # Only looked at: numbers that Python has no value for are numbers nevertheless.
        return isinstance(json.loads(call.arguments_json, parse_int=str, parse_float=str), dict)
    except (ValueError, RecursionError):
        return False


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
    def calls(self) -> list[pb.ToolCall]:
        """The calls, in the order of their indices; as far as they have come."""
        return [self._calls[index] for index in sorted(self._calls)]
