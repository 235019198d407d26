"""Calls found in a text that comes in pieces, as they go out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from service.output.tool_calls import ToolCallSearch
from service.output.tool_formats.reading import CallDelta
from service.output.tool_formats.special_tokens import SHOWN
from service.requests.call_format import CallFormat

NAMES = ("clock", "get_weather")
TOOL_CALLS, ARGS, CALL_ID = (SHOWN[token] for token in ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"))
PYTHON_TAG = SHOWN["<|python_tag|>"]


@dataclass
class Found:
    """What a search finds.

    Attributes:
        calls: The names and arguments, put together.
        early: The text that goes out before the end, and `late` that of the end.
        is_broken, has_rest: See `ToolCallSearch`.
        deltas: What went out of calls, piece by piece.
    """

    calls: list[tuple[str, str]] = field(default_factory=list)
    early: str = ""
    late: str = ""
    is_broken: bool = False
    has_rest: bool = False
    deltas: list[list[CallDelta]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.early + self.late

    @property
    def joined(self) -> tuple[object, ...]:
        """All that may not depend on the pieces."""
        return self.calls, self.text, self.is_broken, self.has_rest


def search(
    text: str,
    sizes: Iterable[int] = (),
    call_format: CallFormat = CallFormat.LLAMA3_JSON,
    names: Collection[str] = NAMES,
) -> Found:
    """What is found in a text that comes in pieces of some sizes, and its rest in one."""
    looking, found = ToolCallSearch(names, call_format), Found()
    begin = 0
    for size in [*sizes, len(text)]:
        found.early += looking.push(text[begin : begin + size])
        _take(looking, found)
        begin += size
    found.late = looking.flush()
    _take(looking, found)
    found.is_broken, found.has_rest = looking.is_broken, looking.has_rest
    assert looking.has_calls == bool(found.calls)
    return found


def _take(looking: ToolCallSearch, found: Found) -> None:
    deltas = looking.take()
    found.deltas.append(deltas)
    for delta in deltas:
        assert bool(delta.id) == bool(delta.name) == (delta.index == len(found.calls))
        if delta.name:
            found.calls.append((delta.name, ""))
        name, arguments_json = found.calls[delta.index]
        found.calls[delta.index] = (name, arguments_json + delta.arguments_json)
