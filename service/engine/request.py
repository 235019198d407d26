"""A request on the edge's side of the pipe."""

import asyncio
import enum
from dataclasses import dataclass, field

from service.engine.messages import Submit
from service.engine.sequence import FinishReason, TokenLogprobs
from service.errors import RunstreamError


class EngineState(enum.Enum):
    """Whether an engine can take requests."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineOutput:
    """What a completion has grown by.

    Attributes:
        token_ids: All tokens that came since the output before.
        finish_reason: Why the completion ended; only in the last output.
        num_cached_tokens: How many of the prompt's tokens came from the prefix cache.
        logprobs: The log probabilities of each of the tokens, if the request asks for them; empty if not.
    """

    token_ids: list[int]
    finish_reason: FinishReason | None
    num_cached_tokens: int = 0
    logprobs: list[TokenLogprobs] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Request:
    """A request as the edge follows it: what has come and was not taken yet, and how it ended.

    Attributes:
        submit: What the engine was told.
        has_started: Whether the engine has begun it, so that it may be what the engine dies of.
        token_ids, logprobs: The tokens that came since `take`, and their log probabilities if they were asked for.
        finish_reason, error: One of them is set at its end, once.
        news: Set when there is something to take.
    """

    submit: Submit
    has_started: bool = False
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: RunstreamError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_ended(self) -> bool:
        """Whether its one end has come."""
        return self.finish_reason is not None or self.error is not None

    def fail(self, error: RunstreamError) -> None:
        """Ends it with an error, unless it has ended."""
        if not self.has_ended:
            self.error = error
            self.news.set()

    def take(self) -> EngineOutput:
        """Everything that came since the last time."""
        output = EngineOutput(self.token_ids, self.finish_reason, logprobs=self.logprobs)
        self.token_ids, self.logprobs = [], []
        self.news.clear()
        return output
