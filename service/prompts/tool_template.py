"""What a chat template knows of tools, found out by having it write a call and reading that again."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from service.errors import InvalidRequestError
from service.output.tool_calls import ToolCallSearch
from service.output.tool_formats.special_tokens import PYTHON_START, PYTHON_TAG
from service.requests.call_format import CallFormat

Render: TypeAlias = Callable[[list[Any], list[Any] | None], str]
"""Renders messages and tools; raises InvalidRequestError if the template refuses them."""

_NAME, _OTHER_NAME = "probe_of_tools", "other_probe"
_ARGUMENTS, _ARGUMENTS_JSON = {"city": "Paris"}, '{"city": "Paris"}'
_TOOL = {"type": "function", "function": {"name": _NAME, "description": "", "parameters": {"type": "object"}}}
_TEXT = "probe of content"
_USER = {"role": "user", "content": "probe"}
_CALL_ID = "probe0000"  # of the nine letters and digits that Mistral's templates insist on


@dataclass(frozen=True, slots=True)
class ToolTemplate:
    """What a chat template knows of tools.

    Attributes:
        call_format: How the model writes calls, or is asked to.
        is_trained: Whether the template tells the model of tools itself.
        takes_several: Whether it writes several calls of one message.
        keeps_text: Whether it writes what is said beside a call.
    """

    call_format: CallFormat
    is_trained: bool = False
    takes_several: bool = False
    keeps_text: bool = False


def probe(render: Render, named: str = "") -> ToolTemplate:
    """Finds out what a template knows.

    Args:
        render: Renders by the template.
        named: See `CatalogModel.tool_call_format`.
    """
    found = _format_of(render)
    is_named = found is CallFormat.MISTRAL_NAMED and named == CallFormat.MISTRAL.value
    call_format = found if is_named or not named else CallFormat(named)
    if call_format is None or _NAME not in _rendered(render, [_USER]):
        return ToolTemplate(CallFormat(named or CallFormat.LLAMA3_JSON))
    both = _rendered(render, _conversation(_NAME, _OTHER_NAME))
    beside = _rendered(render, _conversation(_NAME, text=_TEXT))
    return ToolTemplate(
        call_format,
        is_trained=True,
        takes_several=_OTHER_NAME in both,
        keeps_text=_TEXT in beside and beside.count(_NAME) > 1,
    )


def _format_of(render: Render) -> CallFormat | None:
    """The format in which a template writes calls; None for none, or one that can't be read here."""
    written = _rendered(render, _conversation(_NAME))
    for call_format in (CallFormat.HERMES, CallFormat.MISTRAL):
        if _is_read(written, call_format):
            is_named = call_format is CallFormat.MISTRAL and not re.search(r"\[TOOL_CALLS\]\s*[\[{]", written)
            return CallFormat.MISTRAL_NAMED if is_named else call_format
    before = _rendered(render, [_USER, {"role": "assistant", "content": _TEXT}]).partition(_TEXT)[0].rstrip()
    if not (before and written.startswith(before)):
        return None
    # Calls without a marker must stand where an answer begins: behind another marker they are a format of others.
    answer = written[len(before) :].lstrip().removeprefix(PYTHON_TAG).removeprefix(PYTHON_START)
    bare = {"{": CallFormat.LLAMA3_JSON, "[": CallFormat.PYTHONIC}
    return next((bare[first] for first in bare if answer.startswith(first) and _is_read(answer, bare[first])), None)


def _is_read(text: str, call_format: CallFormat) -> bool:
    """Whether the probe's call is found in a text, and none else."""
    search = ToolCallSearch([_NAME], call_format)
    search.push(text)
    search.flush()
    return [(call.name, call.arguments_json) for call in search.take()] == [(_NAME, _ARGUMENTS_JSON)]


def _conversation(*names: str, text: str = "") -> list[Any]:
    """A question, calls of some tools, and their results."""
    ids = [f"{_CALL_ID[:-1]}{index}" for index in range(len(names))]
    calls = [
        {"type": "function", "id": call_id, "function": {"name": name, "arguments": _ARGUMENTS}}
        for call_id, name in zip(ids, names, strict=True)
    ]
    results = [
        {"role": "tool", "content": "sunny", "tool_call_id": call_id, "name": name}
        for call_id, name in zip(ids, names, strict=True)
    ]
    return [_USER, {"role": "assistant", "content": text, "tool_calls": calls}, *results]


def _rendered(render: Render, messages: Sequence[Any]) -> str:
    """What a template makes of messages with the probe's tool; empty if it refuses them."""
    try:
        return render(list(messages), [_TOOL])
    except InvalidRequestError:
        return ""
