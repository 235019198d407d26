"""Parameters of sampling, and the reasons why a completion ends."""

import enum
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """Parameters of sampling, complete and checked: the edge has filled in every default.

    Attributes:
        max_tokens: The most tokens to generate, at least 1.
        temperature: What logits are divided by; 0 takes the most likely token.
        top_k: Only this many most likely tokens can be sampled; 0 means all.
        top_p: Only the smallest set of most likely tokens with at least this probability can be sampled; 1 means all.
        min_p: Only tokens at least this many times as likely as the most likely one can be sampled; 0 means all.
        repetition_penalty: What positive logits of tokens in prompt or completion are divided by and negative ones
            multiplied by; 1 changes nothing.
        frequency_penalty: What a token's logit loses for each time that it stands in the completion.
        presence_penalty: What the logit of each token that stands in the completion loses.
        logit_bias: Token ids, each once and below the vocabulary's size, and what is added to their logits.
        allowed_token_ids: The only tokens that can be sampled, below the vocabulary's size; empty means all.
        bad_words: Tokens of which the last can't be sampled where the completion ends with those before it; none of
            these is empty, and all are below the vocabulary's size.
        seed: Decides all draws of this request, see `sampling.uniform`.
        eos_token_ids: The tokens that end the completion; none for a request that ignores them.
        stop_token_ids: The tokens that end it besides, below the vocabulary's size.
        min_tokens: Before this many tokens none of `eos_token_ids` and `stop_token_ids` can be sampled.
        num_logprobs: Of how many most likely tokens log probabilities are told, besides the sampled one's, 0 to 20;
            None for no log probabilities.
        num_prompt_logprobs: The same of the prompt's tokens but the first.
    """

    max_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    allowed_token_ids: tuple[int, ...] = ()
    bad_words: tuple[tuple[int, ...], ...] = ()
    seed: int = 0
    eos_token_ids: frozenset[int] = frozenset()
    stop_token_ids: frozenset[int] = frozenset()
    min_tokens: int = 0
    num_logprobs: int | None = None
    num_prompt_logprobs: int | None = None

    @property
    def has_penalties(self) -> bool:
        """Tells if the tokens so far change the next one's logits."""
        return self.repetition_penalty != 1 or self.frequency_penalty != 0 or self.presence_penalty != 0

    def token_ids(self) -> Iterator[int]:
        """The tokens that its client names, which must be in the vocabulary."""
        yield from (token_id for token_id, _ in self.logit_bias)
        yield from itertools.chain(self.allowed_token_ids, *self.bad_words, self.stop_token_ids)

    def ends_with(self, token_id: int) -> bool:
        """Tells if a token ends the completion."""
        return token_id in self.eos_token_ids or token_id in self.stop_token_ids


class TokenLogprobs(NamedTuple):
    """Natural logarithms of probabilities at one token's place, before temperature, penalties, bias and masks.

    Attributes:
        logprob: That of the token that stands there.
        top: The most likely tokens and theirs, most likely first.
    """

    logprob: float
    top: tuple[tuple[int, float], ...]


class FinishReason(enum.Enum):
    """The reason why a completion ended."""

    STOP = "stop"
    LENGTH = "length"


class Priority(enum.IntEnum):
    """The order in which sequences go; the lower value goes first."""

    ONLINE = 0
    BATCH = 1
