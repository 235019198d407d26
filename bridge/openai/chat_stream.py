"""The chunks of a streamed chat completion.

They are those of Workers AI's captures with two differences. The first chunk of a choice has a role: without one,
OpenAI's stream helper for Node.js gives up. The last chunk is not sent twice.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from runstream.v1 import text_generation_pb2 as pb

from bridge.http import sse
from bridge.openai.choices import ChoicePart, usage
from bridge.openai.identity import Identity
from bridge.openai.logprobs import chat_logprobs
from bridge.openai.request import OpenAiInput
from bridge.upstream.finish_reasons import FINISH_REASONS

Json = dict[str, Any]


class ChatStream:
    """Writes one streamed answer.

    Args:
        openai_input: What the client sent.
    """

    def __init__(self, openai_input: OpenAiInput) -> None:
        self._openai_input = openai_input
        self._identity = Identity()
        self._begun: set[int] = set()
        self._counted: dict[int, pb.Usage] = {}
        self._texts: dict[tuple[int, str, str], sse.TextEvents] = {}

    def events(self, choice_part: ChoicePart) -> bytes:
        """The events of one part of one choice, and after the last part of the last choice the end."""
        index, part = choice_part
        if index in self._begun and not (part.finish_reason or part.logprobs or part.tool_calls):
            return b"".join(self._text(index, part.served_model, name, text) for name, text in _texts(part))
        events = b"".join(map(sse.event, self._chunks(index, part)))
        return events + sse.DONE if self._has_ended else events

    @property
    def usage(self) -> Json:
        """The token counts of all choices, once all have ended."""
        return usage(counted for _, counted in sorted(self._counted.items()))

    @property
    def _has_ended(self) -> bool:
        return len(self._counted) == self._openai_input.num_choices

    def _text(self, index: int, served_model: str, name: str, text: str) -> bytes:
        """The event of a part that adds text to a choice that has begun, and nothing else: what nearly all are."""
        key = index, served_model, name
        if key not in self._texts:
            self._texts[key] = sse.TextEvents(
                lambda text: self._chunk({"index": index, "delta": {name: text}}, served_model)
            )
        return self._texts[key].event(text)

    def _chunk(self, choice: Json, served_model: str) -> Json:
        # The order of keys is that of the captures, here and in the last chunk.
        return {
            "id": self._identity.id,
            "created": self._identity.created,
            "model": served_model,
            "object": "chat.completion.chunk",
            "choices": [choice],
        }

    def _chunks(self, index: int, part: pb.RunStreamResponse) -> Iterator[Json]:
        deltas = list(self._deltas(index, part))
        logprobs = self._logprobs(part) if part.logprobs else {}
        for delta in deltas:
            yield self._chunk({"index": index, "delta": delta, **logprobs}, part.served_model)
            logprobs = {}
        if part.finish_reason:
            yield self._last_chunk(index, part, logprobs)

    def _logprobs(self, part: pb.RunStreamResponse) -> Json:
        return {"logprobs": chat_logprobs(part.logprobs, has_token_ids=self._openai_input.has_token_ids)}

    def _last_chunk(self, index: int, part: pb.RunStreamResponse, logprobs: Json) -> Json:
        self._counted[index] = part.usage
        choice = {"index": index, "delta": {}, **logprobs, "finish_reason": FINISH_REASONS[part.finish_reason]}
        chunk = {
            "id": self._identity.id,
            "object": "chat.completion.chunk",
            "created": self._identity.created,
            "model": part.served_model,
            "choices": [choice],
        }
        if self._openai_input.has_usage and self._has_ended:
            chunk["usage"] = self.usage
        return chunk

    def _deltas(self, index: int, part: pb.RunStreamResponse) -> Iterator[Json]:
        """The delta of a part to its choice; an empty text if it has only tokens, or ends a choice without a role."""
        deltas: list[Json] = [{name: text} for name, text in _texts(part)]
        deltas += _call_deltas(part.tool_calls, has_parallel_calls=self._openai_input.has_parallel_calls)
        if not deltas and (index not in self._begun if part.finish_reason else part.logprobs):
            deltas = [{"content": ""}]
        for delta in deltas:
            yield delta if index in self._begun else {"role": "assistant", **delta}
            self._begun.add(index)


def _texts(part: pb.RunStreamResponse) -> Iterator[tuple[str, str]]:
    """The texts that a part adds to its choice, by their names; thinking comes before the answer."""
    if part.reasoning_content:
        yield "reasoning_content", part.reasoning_content
    if part.text:
        yield "content", part.text


def _call_deltas(deltas: Iterable[pb.ToolCallDelta], *, has_parallel_calls: bool) -> Iterator[Json]:
    """A call's first chunk names it, and what follows are its arguments."""
    for delta in deltas:
        if delta.index and not has_parallel_calls:
            continue
        if delta.id or delta.name:
            function = {"name": delta.name, "arguments": ""}
            call = {"id": delta.id, "type": "function", "index": delta.index, "function": function}
            yield {"tool_calls": [call]}
        if delta.arguments_json:
            yield {"tool_calls": [{"index": delta.index, "function": {"arguments": delta.arguments_json}}]}
