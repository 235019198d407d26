"""From the parts of a completion to a response: its events one after the other, or the whole at once.

A whole answer goes the way of a stream with one part, so the two differ in one thing only. The model may say
something behind a call that broke. In a stream this is a message of its own. In a whole answer it is a part of the
message before that call.
"""

from collections.abc import Iterator
from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http import sse
from bridge.openai.failures import failure
from bridge.openai.logprobs import chat_logprobs
from bridge.openai.responses.delta_events import DeltaEvents
from bridge.openai.responses.output_items import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    Event,
    FunctionCall,
    Message,
    OutputItem,
    Thought,
)
from bridge.openai.responses.request import ResponsesInput
from bridge.openai.responses.response import Response, usage

Json = dict[str, Any]

# What OpenAI's types allow for the error of a response that failed.
_FAILED: Final = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}


class ResponseAnswer:
    """Writes one response.

    Args:
        responses_input: What the client sent.
        request_id: The request's id.
    """

    def __init__(self, responses_input: ResponsesInput, request_id: str) -> None:
        self._input = responses_input
        self._response = Response(request_id, responses_input.echoed)
        self._num_events = 0
        self._model = responses_input.request.model
        self._done: list[Json] = []
        self._open: OutputItem | None = None
        self._open_call = -1
        self._logprobs: list[Json] = []
        self._has_thought = False
        self._deltas: DeltaEvents | None = None
        self.has_ended = False

    def events(self, part: pb.RunStreamResponse) -> bytes:
        """The events of one part, before those of the first the beginning, behind those of the last the end."""
        if isinstance(self._open, Message) and self._deltas and _is_plain_text(part) and not self._logprobs:
            self._open.grow(part.text)
            return self._deltas.event(part.text, self._next_number())
        return b"".join(map(self._written, self._told(part)))

    def whole(self, answer: pb.RunResponse) -> Json:
        """The response to a whole answer."""
        *_, end = self._told(
            pb.RunStreamResponse(
                served_model=answer.served_model,
                reasoning_content=answer.reasoning_content,
                text=answer.text,
                tool_calls=[
                    pb.ToolCallDelta(index=index, id=call.id, name=call.name, arguments_json=call.arguments_json)
                    for index, call in enumerate(answer.tool_calls)
                ],
                logprobs=answer.logprobs,
                finish_reason=answer.finish_reason,
                usage=answer.usage,
            )
        )
        return dict(end.fields["response"])

    def failure(self, error: AiError, request_id: str) -> bytes:
        """The end of a stream that fails after its first event: OpenAI's clients raise on the first of the two."""
        told: Json = failure(error, request_id)["error"]
        flat = {name: told[name] for name in ("code", "message", "param")}
        code = _FAILED.get(told["type"], "server_error")
        output = self._output(INCOMPLETE)
        failed = self._response.value("failed", self._model, output, error={"code": code, "message": told["message"]})
        events = Event("error", {**flat, "error": told}), Event("response.failed", {"response": failed})
        return b"".join(map(self._written, events))

    def _written(self, event: Event) -> bytes:
        value = {"type": event.type, "sequence_number": self._next_number(), **event.fields}
        return sse.named_event(event.type, value)

    def _next_number(self) -> int:
        self._num_events += 1
        return self._num_events - 1

    def _told(self, part: pb.RunStreamResponse) -> Iterator[Event]:
        if not self._num_events:
            self._model = part.served_model
            for kind in ("response.created", "response.in_progress"):
                yield Event(kind, {"response": self._response.value(IN_PROGRESS, self._model, [])})
        yield from self._growth(part)
        if part.finish_reason:
            yield from self._end(part)

    def _growth(self, part: pb.RunStreamResponse) -> Iterator[Event]:
        if self._input.has_logprobs:
            self._logprobs += chat_logprobs(part.logprobs)["content"]
        if part.reasoning_content:
            yield from self._add_thought(part.reasoning_content)
        if part.text:
            yield from self._add_text(part.text)
        for delta in part.tool_calls:
            if not delta.index or self._input.has_parallel_calls:
                yield from self._add_call(delta)

    def _add_thought(self, text: str) -> Iterator[Event]:
        thought = self._open
        if not isinstance(thought, Thought):
            thought = Thought(self._response.item_id("rs", self._next_index), self._next_index)
            self._has_thought = True
            yield from self._begin(thought)
        yield thought.add(text)

    def _add_text(self, text: str) -> Iterator[Event]:
        """The next part of the message, with tokens. Behind thinking these wait: only the end tells whose."""
        message = self._open
        if not isinstance(message, Message):
            message = Message(self._response.item_id("msg", self._next_index), self._next_index)
            yield from self._begin(message)
            self._deltas = DeltaEvents(*message.delta("", logprobs=[]))
        yield message.add(text, [] if self._has_thought else self._logprobs)
        if not self._has_thought:
            self._logprobs = []

    def _add_call(self, delta: pb.ToolCallDelta) -> Iterator[Event]:
        call = self._open
        if not isinstance(call, FunctionCall) or delta.index != self._open_call:
            index = self._next_index
            call = FunctionCall(self._response.item_id("fc", index), index, delta.id, delta.name)
            self._open_call = delta.index
            yield from self._begin(call)
        if delta.arguments_json:
            yield call.add(delta.arguments_json)

    @property
    def _next_index(self) -> int:
        return len(self._done) + (self._open is not None)

    def _begin(self, item: OutputItem) -> Iterator[Event]:
        """Begins an item and ends the one before."""
        yield from self._close(COMPLETED)
        self._open = item
        yield from item.begin()

    def _close(self, status: str) -> Iterator[Event]:
        if self._open is not None:
            yield from self._open.end(status)
            self._done.append(self._open.value(status))
            self._open = None

    def _end(self, part: pb.RunStreamResponse) -> Iterator[Event]:
        is_cut = part.finish_reason == pb.FINISH_REASON_LENGTH
        status = INCOMPLETE if is_cut else COMPLETED
        if self._open is None or (isinstance(self._open, Thought) and not is_cut):
            yield from self._add_text("")
        if isinstance(self._open, Message):
            yield from self._tell_tokens(self._open, part.usage.reasoning_tokens)
        yield from self._close(status)
        changed: Json = {"usage": usage(part.usage)}
        if is_cut:
            changed["incomplete_details"] = {"reason": "max_output_tokens"}
        response = self._response.value(status, self._model, self._output(status), **changed)
        self.has_ended = True
        yield Event(f"response.{status}", {"response": response})

    def _tell_tokens(self, message: Message, num_thought: int) -> Iterator[Event]:
        """Tells the tokens that have waited for the end, without the first ones, which were thinking."""
        if not self._has_thought:
            message.leave_out(num_thought)
            num_thought = 0
        if self._logprobs[num_thought:]:
            yield message.add("", self._logprobs[num_thought:])

    def _output(self, status: str) -> list[Json]:
        """All items, of which one that is open gets a status."""
        return [*self._done, *([self._open.value(status)] if self._open is not None else [])]


def _is_plain_text(part: pb.RunStreamResponse) -> bool:
    """Whether a part adds to the text and nothing else."""
    return bool(part.text) and not (part.finish_reason or part.reasoning_content or part.tool_calls or part.logprobs)
