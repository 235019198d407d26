"""A request on the edge's side of the pipe."""

import asyncio
import enum
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.engine_client.moments import Moments
from service.engine_protocol.messages import Failure, FailureCause, StepOutput, Submit
from service.engine_protocol.sampling_params import FinishReason, TokenLogprobs
from service.errors import (
    EngineFailedError,
    InvalidRequestError,
    QueueFullError,
    RunstreamError,
    UnsatisfiableFormatError,
)


class EngineState(enum.Enum):
    """The state of an engine, of which only `READY` takes requests."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


class EngineOutput(NamedTuple):
    """New tokens of a completion.

    Attributes:
        token_ids: All tokens that came since the output before.
        finish_reason: Why the completion ended; only in the last output.
        num_cached_tokens: How many of the prompt's tokens came from the prefix cache.
        logprobs: The log probabilities of each of the tokens, if the request asks for them; empty if not.
        prompt_logprobs: Those of the prompt's tokens but the first, in the first output; empty if not asked for.
    """

    token_ids: list[int]
    finish_reason: FinishReason | None
    num_cached_tokens: int = 0
    logprobs: Sequence[TokenLogprobs] = ()
    prompt_logprobs: Sequence[TokenLogprobs] = ()


@dataclass(slots=True, eq=False)
class Request:
    """A request as the edge follows it: what has come and was not taken yet, and how it ended.

    Attributes:
        submit: What the engine was told.
        has_started: Whether the engine has begun it, so that it may be what the engine dies of.
        moments: When what has happened to it.
        token_ids, logprobs: The tokens that came since `pop_output`, and their log probabilities if asked for.
        prompt_logprobs: Those of the prompt's tokens, until they are taken.
        num_cached_tokens: How many of the prompt's tokens came from the prefix cache; known with the first token.
        num_tokens: How many tokens have come, taken or not.
        finish_reason, error: One of them is set at its end, once.
        news: Set when there is something to take.
        stream_interval: How many tokens are gathered before `news` is set; the first one and the end set it at once.
    """

    submit: Submit
    has_started: bool = False
    moments: Moments = field(default_factory=Moments)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    num_cached_tokens: int = 0
    num_tokens: int = 0
    finish_reason: FinishReason | None = None
    error: RunstreamError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    stream_interval: int = 1

    @property
    def has_ended(self) -> bool:
        """Tells if its one end has come."""
        return self.finish_reason is not None or self.error is not None

    def start(self, *, is_compiling: bool) -> None:
        """Notes that the engine has begun it: with its grammar, or with its first step."""
        self.has_started = True
        if not is_compiling and self.moments.started_at is None:
            self.moments.started_at = time.perf_counter()

    def grow(self, output: StepOutput) -> None:
        """Takes the engine's next token, unless it has ended."""
        if self.has_ended:
            return
        self.moments.note_token(is_last=output.finish_reason is not None)
        self.token_ids.append(output.token_id)
        self.num_tokens += 1
        if output.logprobs is not None:
            self.logprobs.append(output.logprobs)
        self.prompt_logprobs += output.prompt_logprobs
        self.num_cached_tokens = output.num_cached_tokens
        self.finish_reason = output.finish_reason
        if self.finish_reason or self.num_tokens == 1 or len(self.token_ids) >= self.stream_interval:
            self.news.set()

    def fail(self, error: RunstreamError) -> None:
        """Ends it with an error, unless it has ended."""
        if not self.has_ended:
            self.moments.ended_at = time.perf_counter()
            self.error = error
            self.news.set()

    def pop_output(self) -> EngineOutput:
        """Everything that came since the last time."""
        output = EngineOutput(
            self.token_ids, self.finish_reason, self.num_cached_tokens, self.logprobs, self.prompt_logprobs
        )
        self.token_ids, self.logprobs, self.prompt_logprobs = [], [], []
        self.news.clear()
        return output


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """Bounds of what may wait for an engine.

    Attributes:
        max_num_seqs: The most requests that run at once.
        max_waiting: The most requests that there can be beyond those.
        max_waiting_tokens: The most tokens that the prompts of waiting requests have together; one that waits alone may
            have more.
    """

    max_num_seqs: int
    max_waiting: int
    max_waiting_tokens: int

    def check(self, submit: Submit, requests: Iterable[Request]) -> None:
        """Refuses a request that would wait behind too many.

        Those that give way to it don't count, so that no flood of them keeps it out. An account
        that has no more than its equal share is refused only at twice the bounds: others may have used them up.

        Raises:
            QueueFullError: As many of `requests`, or tokens of their prompts, go before it as may wait.
        """
        before = [request for request in requests if request.submit.priority <= submit.priority]
        own = [request for request in before if request.submit.account == submit.account]
        num_accounts = len({submit.account, *(request.submit.account for request in before)})
        if _is_over(self.max_num_seqs + self.max_waiting, len(before) + 1, len(own) + 1, num_accounts):
            raise QueueFullError(
                f"{self.max_waiting} requests are waiting already, the most that may (max_waiting). Try again shortly.",
                max_waiting=self.max_waiting,
            )
        num_waiting, num_more = _num_waiting_tokens(before), len(submit.prompt_token_ids)
        num_own = _num_waiting_tokens(own) + num_more
        if num_waiting and _is_over(self.max_waiting_tokens, num_waiting + num_more, num_own, num_accounts):
            raise QueueFullError(
                f"Prompts of {num_waiting} tokens are waiting already; with {num_more} more they would be over the "
                f"most that may, {self.max_waiting_tokens} (max_waiting_tokens). Try again shortly.",
                max_waiting_tokens=self.max_waiting_tokens,
            )


def _num_waiting_tokens(requests: Iterable[Request]) -> int:
    return sum(len(request.submit.prompt_token_ids) for request in requests if not request.has_started)


def _is_over(most: int, total: int, own: int, num_accounts: int) -> bool:
    """Tells if too much waits: over the bound, or twice that while an account has no more than its equal share."""
    return total > (2 * most if own <= most // num_accounts else most)


def to_error(failure: Failure, submit: Submit) -> RunstreamError:
    """Maps an engine's failure to the client's error."""
    if failure.cause is FailureCause.GRAMMAR and submit.grammar is not None:
        field = submit.grammar.field
        return UnsatisfiableFormatError(f"{field} {failure.message}", field)
    if failure.cause is FailureCause.REQUEST:
        return InvalidRequestError(failure.message)
    return EngineFailedError(failure.message)
