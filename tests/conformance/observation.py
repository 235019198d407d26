"""What of an answer a client depends on, without what differs from one answer to the next.

Ids, times, counts and generated texts become placeholders; types, the order of keys, codes, the words of errors and the
headers that clients read stay. Equal events in a row are one, since where a text is cut is nobody's promise.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

HEADERS: Final = ("content-type", "cf-ai-req-id", "retry-after", "x-should-retry", "allow")
VARYING_HEADERS: Final = ("retry-after",)

KEPT_KEYS: Final = frozenset({"object", "role", "type", "finish_reason", "status", "contentType"})
"""Keys whose texts are of a few fixed ones."""

PADDING: Final = "p"
"""The key of padding in events, whose presence is an option."""

EXTENSION: Final = "finish_reason"
"""A key that Runstream adds to native answers, which are known by their key `response`."""

NOTE_CODES: Final = (1000, 1001)
"""The codes of the messages by which Runstream says that another model has answered, or that one is retired."""


def observe(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Reduces an answer to what a client depends on."""
    seen = {name: _masked(headers[name]) for name in HEADERS if name in headers}
    seen.update({name: "<number>" for name in VARYING_HEADERS if name in seen})
    return {"status": status, "headers": seen, "body": _body(body, seen.get("content-type", ""))}


def differences(there: Any, here: Any, path: str = "") -> Iterator[str]:
    """Says where two observations differ, each place once."""
    if isinstance(there, dict) and isinstance(here, dict):
        if list(there) != list(here):
            yield f"{path or '/'}: keys {_list(there)} there, {_list(here)} here"
        for key in (key for key in there if key in here):
            yield from differences(there[key], here[key], f"{path}/{key}")
    elif isinstance(there, list) and isinstance(here, list):
        for number, (one, other) in enumerate(itertools.zip_longest(there, here, fillvalue="nothing")):
            yield from differences(one, other, f"{path}/{number}")
    elif there != here or type(there) is not type(here):
        yield f"{path or '/'}: {json.dumps(there)} there, {json.dumps(here)} here"


def _list(keys: Mapping[str, Any]) -> str:
    return ", ".join(keys) or "none"


def _body(body: bytes, content_type: str) -> Any:
    text = body.decode("utf-8", "replace")
    if content_type.startswith("text/event-stream"):
        return [event for event, _ in itertools.groupby(map(_event, filter(None, text.split("\n\n"))))]
    try:
        return _shape(json.loads(text))
    except ValueError:
        return "<text>" if text else ""


def _event(lines: str) -> Any:
    data = lines.removeprefix("data: ")
    try:
        return _shape(json.loads(data))
    except ValueError:
        return lines


def _shape(value: Any, key: str = "") -> Any:
    match value:
        case dict():
            is_error = "internalCode" in value or value.keys() >= {"code", "message"}
            ours = {PADDING, EXTENSION} if "response" in value else {PADDING}
            return {
                name: _error_field(inner) if is_error else _shape(inner, name)
                for name, inner in value.items()
                if name not in ours
            }
        case list():
            shapes = [_shape(inner) for inner in value if not _is_note(inner)]
            return [shape for number, shape in enumerate(shapes) if shape not in shapes[:number]]
        case bool() | None:
            return value
        case int():
            return "<integer>"
        case float():
            return "<number>"
        case _:
            return value if key in KEPT_KEYS or not value else "<text>"


def _error_field(value: Any) -> Any:
    return _masked(value) if isinstance(value, str) else value


def _masked(text: str) -> str:
    return UUID.sub("<uuid>", text)


def _is_note(value: Any) -> bool:
    return isinstance(value, dict) and value.get("code") in NOTE_CODES
