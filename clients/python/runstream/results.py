"""Answers: whole, in parts, and parts joined to the whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from runstream.messages import Message, ToolCall
from runstream.v1 import text_generation_pb2 as pb

FinishReason = Literal["stop", "length", "tool_calls", "unknown"]
"""Why a completion ended; "unknown" is one that is newer than this client."""

T = TypeVar("T")

_FINISH_REASONS: Final[Mapping[int, FinishReason]] = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """A request's tokens, counted.

    Attributes:
        prompt_tokens: Those of the prompt, with those that the chat template adds.
        completion_tokens: Those that were generated, with the one that ended the completion.
        cached_prompt_tokens: How many of `prompt_tokens` were taken from the prefix cache.
        reasoning_tokens: How many of `completion_tokens` were thinking, the first ones.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Those of prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class TokenCount:
    """The number of a prompt's tokens.

    Attributes:
        served_model: The model whose tokens were counted.
        prompt_tokens: How many there are.
        max_prompt_tokens: The most that a prompt can have.
        token_ids: Their ids; none if there are more than `max_prompt_tokens`.
    """

    served_model: str
    prompt_tokens: int
    max_prompt_tokens: int
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RunResult(Generic[T]):
    """A whole answer.

    Attributes:
        id: The request's id, which the server's log repeats.
        served_model: The model that answered; another than the one asked for if it stood in.
        text: The completion.
        reasoning_content: What a model that reasons thought before it.
        tool_calls: The calls that the model makes.
        finish_reason: Why it ended; "length" means that `max_tokens` cut it.
        usage: The request's tokens.
        raw: The message of the contract, with log probabilities and what stopped the completion.
    """

    id: str
    served_model: str
    text: str
    reasoning_content: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    usage: Usage
    raw: pb.RunResponse = field(repr=False)
    _parse: Callable[[str], Any] | None = field(default=None, repr=False, compare=False)

    @property
    def parsed(self) -> T:
        """The text's value: an instance of the pydantic model, or JSON; None where no JSON was asked for.

        Raises:
            ValueError: The text is no whole value: it was cut, or the answer is a call. Pydantic's ValidationError,
                which is one, where the model wants more than its schema says.
        """
        value: Any = None
        if self._parse is not None:
            if self.tool_calls:
                raise ValueError("the answer is a call, see tool_calls")
            if self.finish_reason == "length":
                raise ValueError(f"max_tokens cut the answer at {self.usage.completion_tokens} tokens: ask for more")
            value = self._parse(self.text)
        typed: T = value
        return typed

    @property
    def message(self) -> Message:
        """The answer as the next message of its conversation."""
        return Message("assistant", self.text, self.tool_calls, reasoning_content=self.reasoning_content)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece that a part adds to a tool call.

    Attributes:
        index: Which of the answer's calls, counted from 0.
        id: The call's id; only in the first delta of its call.
        name: The tool's name; only in the first delta of its call.
        arguments_json: What follows in the arguments.
    """

    index: int
    id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece that a completion has grown by.

    Attributes:
        text: What follows in the text, possibly nothing.
        reasoning_content: What follows in the thinking, which all comes before the first text.
        tool_calls: What follows in the tool calls.
        finish_reason: Why the completion ended; None in all parts but the last.
        usage: The request's tokens; None in all parts but the last.
        raw: The message of the contract, with log probabilities.
    """

    text: str
    reasoning_content: str
    tool_calls: tuple[ToolCallDelta, ...]
    finish_reason: FinishReason | None
    usage: Usage | None
    raw: pb.RunStreamResponse = field(repr=False)


def to_result(response: pb.RunResponse, parse: Callable[[str], Any] | None) -> RunResult[Any]:
    """Translates a whole answer of the contract's."""
    return RunResult(
        response.id,
        response.served_model,
        response.text,
        response.reasoning_content,
        tuple(ToolCall(call.id, call.name, call.arguments_json) for call in response.tool_calls),
        _FINISH_REASONS.get(response.finish_reason, "unknown"),
        _usage(response.usage),
        response,
        parse,
    )


def to_part(response: pb.RunStreamResponse) -> Part:
    """Translates a part of the contract's."""
    deltas = [ToolCallDelta(delta.index, delta.id, delta.name, delta.arguments_json) for delta in response.tool_calls]
    usage = _usage(response.usage) if response.HasField("usage") else None
    reason = _FINISH_REASONS.get(response.finish_reason, "unknown") if response.finish_reason else None
    return Part(response.text, response.reasoning_content, tuple(deltas), reason, usage, response)


def to_token_count(response: pb.CountTokensResponse) -> TokenCount:
    """Translates a count of the contract's."""
    ids = tuple(response.token_ids)
    return TokenCount(response.served_model, response.prompt_tokens, response.max_prompt_tokens, ids)


def _usage(usage: pb.Usage) -> Usage:
    return Usage(usage.prompt_tokens, usage.completion_tokens, usage.cached_prompt_tokens, usage.reasoning_tokens)


class Joined:
    """The parts of a stream, joined as the contract's law says: the whole that Run would have answered."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._arguments: list[list[str]] = []
        self._response = pb.RunResponse()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    @property
    def reasoning_content(self) -> str:
        """The thinking so far."""
        return "".join(self._thoughts)

    @property
    def is_whole(self) -> bool:
        """Tells whether the last part has come."""
        return self._response.finish_reason != pb.FINISH_REASON_UNSPECIFIED

    def add(self, part: pb.RunStreamResponse) -> None:
        """Adds the next part."""
        response = self._response
        response.id, response.served_model = part.id, part.served_model
        self._texts.append(part.text)
        self._thoughts.append(part.reasoning_content)
        for delta in part.tool_calls:
            while delta.index >= len(self._arguments):
                self._arguments.append([])
                response.tool_calls.add()
            call = response.tool_calls[delta.index]
            call.id, call.name = delta.id or call.id, delta.name or call.name
            self._arguments[delta.index].append(delta.arguments_json)
        response.logprobs.extend(part.logprobs)
        response.prompt_logprobs.extend(part.prompt_logprobs)
        if part.finish_reason:
            self._end(part)

    def _end(self, part: pb.RunStreamResponse) -> None:
        self._response.finish_reason = part.finish_reason
        self._response.usage.CopyFrom(part.usage)
        if part.HasField("matched_stop"):
            self._response.matched_stop = part.matched_stop
        if part.HasField("matched_stop_token_id"):
            self._response.matched_stop_token_id = part.matched_stop_token_id

    def response(self) -> pb.RunResponse:
        """The whole answer, or what there is of it."""
        self._response.text, self._response.reasoning_content = self.text, self.reasoning_content
        for call, pieces in zip(self._response.tool_calls, self._arguments, strict=True):
            call.arguments_json = "".join(pieces)
        return self._response
