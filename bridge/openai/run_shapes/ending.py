"""The end of all streams of Workers AI's own route, in whosever words they are."""

from collections.abc import Callable
from typing import Any, Protocol

from bridge.http import sse
from bridge.openai.choices import ChoicePart


class Chunks(Protocol):
    """Writes the chunks of a stream."""

    @property
    def usage(self) -> dict[str, Any]:
        """The token counts, once all choices have ended."""

    def events(self, choice_part: ChoicePart) -> bytes:
        """The events of one part of one choice, and after the last part of the last choice `[DONE]`."""


def ended_natively(chunks: Chunks) -> Callable[[ChoicePart], bytes]:
    """The same events with one more before `[DONE]`, as captures have it: no text, and the usage of the whole call."""

    def events(choice_part: ChoicePart) -> bytes:
        written = chunks.events(choice_part)
        if not written.endswith(sse.DONE):
            return written
        return written.removesuffix(sse.DONE) + sse.event({"response": "", "usage": chunks.usage}) + sse.DONE

    return events
