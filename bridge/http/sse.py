"""Server-sent events as bytes."""

from typing import Final

from bridge.http.json_text import to_json

HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    # nginx holds a response back until its buffer is full unless it is told not to.
    "X-Accel-Buffering": "no",
}

DONE: Final = b"data: [DONE]\n\n"

# EventSource asks again when a stream ends without its page closing it: a day is later than any page waits.
NO_RECONNECT: Final = b"retry: 86400000\n\n"


def event(value: object) -> bytes:
    """One event; JSON has no line breaks, so one `data` line holds it."""
    return b"data: " + to_json(value) + b"\n\n"
