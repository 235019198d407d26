"""The tokens that a step has sampled: first tensors on the device, then numbers, or the reasons why there is none."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from service.engine_protocol.sampling_params import TokenLogprobs

NO_PROBABILITIES = (
    "The model gave no valid probabilities for the next token: its logits are NaN or infinite. The same request would "
    "most likely meet the same."
)
NOTHING_LEFT = (
    "The request leaves no token that could come next: its penalties, logit_bias, allowed_token_ids, bad_words, "
    "min_tokens and response_format or tool_choice exclude each other."
)

IS_INVALID, IS_EMPTY = -1, -2
"""In the place of a token: the logits were not valid; the request excludes every token."""


class SamplingError(Exception):
    """A reason why a row has no token, in words for its client."""


class NothingLeftError(SamplingError):
    """The row's own request excludes every token."""

    def __init__(self) -> None:
        super().__init__(NOTHING_LEFT)


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A row's token, and its log probabilities if its parameters ask for them."""

    token_id: int
    logprobs: TokenLogprobs | None = None


@dataclass(frozen=True, slots=True)
class LogprobsTensors:
    """The log probabilities of the n rows that ask for them.

    Attributes:
        counts: Each such row, and how many of the most likely tokens it asks for; the most is k.
        logprobs: Those of the tokens that were sampled, or stand there, floating point [n, 1].
        top: Those of the most likely tokens, most likely first, floating point [n, k].
        top_ids: These tokens, int64 [n, k].
    """

    counts: dict[int, int]
    logprobs: torch.Tensor
    top: torch.Tensor
    top_ids: torch.Tensor

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> "LogprobsTensors":
        """The same elsewhere."""
        return LogprobsTensors(self.counts, move(self.logprobs), move(self.top), move(self.top_ids))

    def by_row(self) -> dict[int, TokenLogprobs]:
        """The log probabilities of each row that asks; waits for the device."""
        columns = zip(self.logprobs[:, 0].tolist(), self.top_ids.tolist(), self.top.tolist(), strict=True)
        return {
            row: TokenLogprobs(logprob, tuple(zip(ids[:count], values[:count], strict=True)))
            for (row, count), (logprob, ids, values) in zip(self.counts.items(), columns, strict=True)
        }


@dataclass(frozen=True, slots=True)
class SamplerOutput:
    """The tokens that were sampled for some rows.

    Attributes:
        outcomes: Each row's token, or `IS_INVALID` or `IS_EMPTY`, int64 [rows].
        logprobs: The log probabilities that rows ask for; None if no row does.
        prompt_logprobs: Those of tokens of prompts, one row for each; None if none are asked for.
        errors: Why rows failed before anything could be sampled; their outcomes mean nothing.
    """

    outcomes: torch.Tensor
    logprobs: LogprobsTensors | None = None
    errors: dict[int, SamplingError] = field(default_factory=dict)
    prompt_logprobs: LogprobsTensors | None = None

    @property
    def token_ids(self) -> torch.Tensor:
        """A token for each row, int64 [rows], 0 where none was sampled: the model can read it in any case."""
        return self.outcomes.clamp(min=0)

    def moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> "SamplerOutput":
        """The same elsewhere."""
        logprobs, prompts = (logprobs and logprobs.moved(move) for logprobs in (self.logprobs, self.prompt_logprobs))
        return replace(self, outcomes=move(self.outcomes), logprobs=logprobs, prompt_logprobs=prompts)

    def tokens(self) -> list[SampledToken | SamplingError]:
        """Each row's token, or why it has none; waits for the device."""
        logprobs = {} if self.logprobs is None else self.logprobs.by_row()
        tokens: list[SampledToken | SamplingError] = []
        for row, outcome in enumerate(self.outcomes.tolist()):
            if row in self.errors:
                tokens.append(self.errors[row])
            elif outcome == IS_INVALID:
                tokens.append(SamplingError(NO_PROBABILITIES))
            elif outcome == IS_EMPTY:
                tokens.append(NothingLeftError())
            else:
                tokens.append(SampledToken(outcome, logprobs.get(row)))
        return tokens
