"""The events that nearly all of a stream is made of: more text of one message."""

import secrets
from typing import Any, Final

from bridge.http import sse
from bridge.http.json_text import to_json

END: Final = b"0}\n\n"


class DeltaEvents:
    """Writes events that differ in their text and their number, at a fraction of what each takes from its value.

    Args:
        kind: The events' type.
        fields: The rest of them.
    """

    def __init__(self, kind: str, fields: dict[str, Any]) -> None:
        place = secrets.token_hex(16)  # no value holds it by chance
        value = {"type": kind, **fields, "delta": place, "sequence_number": 0}
        self._before, rest = sse.named_event(kind, value).split(to_json(place))
        self._between = rest.removesuffix(END)

    def event(self, text: str, number: int) -> bytes:
        """The event with a text."""
        return self._before + to_json(text) + self._between + str(number).encode() + END[1:]
