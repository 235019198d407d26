"""The bytes of a streamed native answer: server-sent events with nothing but `data` lines, and `[DONE]`."""

from typing import Final

from runstream.v1 import text_generation_pb2 as pb

from bridge.envelope import to_json, usage
from bridge.errors import AiError

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


def events(part: pb.RunStreamResponse) -> bytes:
    """The events of one part: its text, and if it is the last, the usage and the end.

    Captures have an event with empty text before the usage; it is what an end-of-sequence token decodes to and says
    nothing, so none is made.
    """
    written = event({"response": part.text}) if part.text else b""
    if part.finish_reason:
        written += event({"response": "", "usage": usage(part.usage)}) + DONE
    return written


def failure(error: AiError, request_id: str) -> bytes:
    """What ends a stream that fails after its first event. Without `[DONE]`, clients see that it is not whole."""
    entry = {"code": error.rule.code, "message": error.message(request_id)}
    return NO_RECONNECT + event({"response": "", "errors": [entry]})
