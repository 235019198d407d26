"""The bytes of a streamed native answer: server-sent events with nothing but `data` lines, and `[DONE]`."""

import secrets
from typing import Final

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.sse import DONE, NO_RECONNECT, TextEvents, event
from bridge.upstream.finish_reasons import FINISH_REASONS
from bridge.workers_ai.envelope import native_tool_calls, usage
from bridge.workers_ai.tool_calls import ToolCalls

_TEXTS: Final = TextEvents(lambda text: {"response": text})
_THOUGHTS: Final = TextEvents(lambda text: {"response": "", "reasoning_content": text})

PADDING: Final = "abcdefghijklmnopqrstuvwxyz0123456789" * 2


class Events:
    """Makes the events of one native stream out of the service's parts.

    Captures have an event with empty text before the usage; it is what an end-of-sequence token decodes to and says
    nothing, so none is made.

    Args:
        is_padded: Whether events with text get padding, so that who sees only their lengths can't guess the text.
    """

    def __init__(self, *, is_padded: bool = False) -> None:
        self._is_padded = is_padded
        self._tool_calls = ToolCalls()

    def __call__(self, part: pb.RunStreamResponse) -> bytes:
        """The events of one part: thinking and text, and if it is the last, the tool calls, the usage and the end."""
        self._tool_calls.add(part.tool_calls)
        written = self._thought(part.reasoning_content) if part.reasoning_content else b""
        if part.text:
            written += self._text(part.text)
        if part.finish_reason:
            if calls := native_tool_calls(self._tool_calls.calls):
                written += event({"response": "", "tool_calls": calls})
            finish_reason = FINISH_REASONS[part.finish_reason]
            written += event({"response": "", "usage": usage(part.usage), "finish_reason": finish_reason}) + DONE
        return written

    def _text(self, text: str) -> bytes:
        return event({"response": text, "p": padding()}) if self._is_padded else _TEXTS.event(text)

    def _thought(self, text: str) -> bytes:
        if self._is_padded:
            return event({"response": "", "reasoning_content": text, "p": padding()})
        return _THOUGHTS.event(text)


def padding() -> str:
    """As many characters as chance wants, from 2 to 50 as seen in captures."""
    return PADDING[: 2 + secrets.randbelow(49)]


def failure(error: AiError, request_id: str) -> bytes:
    """The end of a stream that fails after its first event. Without `[DONE]`, clients see that it is not whole."""
    entry = {"code": error.rule.code, "message": error.message(request_id)}
    return NO_RECONNECT + event({"response": "", "errors": [entry]})
