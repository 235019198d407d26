"""Finds the place in a body that the service finds fault with: some clients spell it elsewhere than Workers AI.

A spelling maps JSON pointers as `field_paths` makes them to those in the body: "/tools/0" to "/tools/0/function" if
that tool is spelled as OpenAI does. What stands below a place moves with it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Spelling = Mapping[str, str]

_QUOTED: Final = re.compile(r"'(/[^']*)'")


def spelling_of(fields: Mapping[str, Any], tools: Sequence[tuple[int, dict[str, Any]]]) -> dict[str, str]:
    """The spelling of a checked body's tools and of its messages' calls.

    Args:
        fields: The body.
        tools: Those that the service is told of, each with its place in the body.
    """
    spelling = dict(_of_tools(tools))
    for index, message in enumerate(fields.get("messages", ())):
        if message.get("reasoning") and not message.get("reasoning_content"):
            spelling[f"/messages/{index}/reasoning_content"] = f"/messages/{index}/reasoning"
        for number, call in enumerate(message.get("tool_calls") or ()):
            if call.get("function"):
                place = f"/messages/{index}/tool_calls/{number}"
                # Its id stands beside the function, not in it.
                spelling.update((f"{place}/{name}", f"{place}/function/{name}") for name in ("name", "arguments"))
    return spelling


def within(place: str, spelling: Spelling) -> dict[str, str]:
    """The spelling of a body that is itself at `place` of another."""
    return {place + pointer: place + spelled for pointer, spelled in spelling.items()}


def respelled(pointer: str, spelling: Spelling) -> str:
    """A pointer as the body has it."""
    place, rest = pointer, ""
    while place:
        if place in spelling:
            return spelling[place] + rest
        place, _, step = place.rpartition("/")
        rest = f"/{step}{rest}"
    return pointer


def respelled_in(text: str, spelling: Spelling) -> str:
    """A text with all pointers in quotes as the body has them."""
    return _QUOTED.sub(lambda quoted: f"'{respelled(quoted[1], spelling)}'", text) if spelling else text


def _of_tools(tools: Sequence[tuple[int, dict[str, Any]]]) -> Iterator[tuple[str, str]]:
    for number, (index, tool) in enumerate(tools):
        place = f"/tools/{index}" + ("/function" if tool.get("function") else "")
        if place != f"/tools/{number}":
            yield f"/tools/{number}", place
