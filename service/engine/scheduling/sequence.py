"""One request inside the engine: its tokens, its blocks and how far it has come."""

import enum
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.engine.speculation.prompt_lookup import PromptLookup
from service.engine_protocol.engine_config import num_blocks_for
from service.engine_protocol.sampling_params import FinishReason, Priority, SamplingParams, TokenLogprobs


class TokenCounts:
    """The counts that penalties are reckoned from: a sequence's tokens, and how often each stands in its completion.

    Args:
        prompt_token_ids: The prompt.

    Attributes:
        token_ids: Every token of prompt and completion, once, int64.
        counts: How often each of them stands in the completion, int64; 0 for one that only the prompt has.
    """

    def __init__(self, prompt_token_ids: Iterable[int]) -> None:
        self._places = {token_id: place for place, token_id in enumerate(dict.fromkeys(prompt_token_ids))}
        self.token_ids = array("q", self._places)
        self.counts = array("q", bytes(8 * len(self._places)))

    def with_more(self, token_ids: Iterable[int]) -> "TokenCounts":
        """The counts of the same sequence with more tokens; these stay as they are."""
        more = TokenCounts(())
        more._places = dict(self._places)
        more.token_ids, more.counts = self.token_ids[:], self.counts[:]
        for token_id in token_ids:
            more.add(token_id)
        return more

    def add(self, token_id: int) -> None:
        """Counts a token that the completion has grown by."""
        place = self._places.setdefault(token_id, len(self._places))
        if place == len(self.token_ids):
            self.token_ids.append(token_id)
            self.counts.append(0)
        self.counts[place] += 1


class Grammar(Protocol):
    """Follows a completion through the form that it must have; see `GrammarMatcher`.

    Attributes:
        is_complete: Whether nothing can follow it.
    """

    @property
    def is_complete(self) -> bool: ...

    def allowed(self, eos_token_ids: Iterable[int], stop_token_ids: Iterable[int] = ()) -> Any:
        """The mask of the tokens that may come next, a tensor; this room knows no torch."""
        ...

    def num_accepted(self, draft: list[int]) -> int:
        """The number of some tokens, none of which ends the completion, may come next one after the other."""
        ...

    def behind(self, draft: list[int]) -> "Grammar":
        """Another, which has followed the completion over such tokens too; this one stays where it is."""
        ...

    def accept(self, token_id: int) -> None:
        """Follows the completion over its next token."""
        ...


LONG_POSITIONS = 1 << 32
"""Added to the positions of sequences that a model computes by its long factors: `service.engine.forward.long_rope`."""


class SequenceStatus(enum.Enum):
    """The state of a sequence between its arrival and its end."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and its completion so far.

    Attributes:
        id: The request's id.
        token_ids: The prompt's tokens, then the completion's.
        num_prompt_tokens: How many of `token_ids` are the prompt.
        params: How its tokens are sampled.
        priority: Whether it gives way to others.
        cache_salt: Only sequences of the same salt share blocks.
        account: Who has sent it; accounts run in turn.
        adapter: The number of the LoRA adapter that it uses; None for none.
        position_offset: Added to its positions: `LONG_POSITIONS` or 0.
        num_computed_tokens: How many of its tokens have their keys and values in the KV cache, or will have when the
            steps in flight are done.
        num_sampling: How many tokens the steps in flight sample for it. They follow `token_ids`, and only the device
            knows their values; `num_tokens` and what is reckoned from it count them.
        num_cached_tokens: How many of the prompt's tokens the prefix cache had when it first ran; None before.
        block_table: The ids of the blocks that hold them, in order. Full blocks may be shared with other sequences.
        grammar: Follows the completion through the form that it must have; None if any will do.
        token_counts: What its penalties are reckoned from; None if it has none. Preemption leaves both as they are.
        prompt_logprobs: Those of the prompt's tokens but the first, as far as its steps are retired; None if they are
            not asked for, or told. Until then nothing is taken from the prefix cache, which has no logits.
        lookup: Predicts its next tokens, once it has decoded with drafts; None before.
        allowed_words: The bitmask of `allowed_token_ids`, 32 to a word; None if all tokens are allowed.
    """

    id: str
    token_ids: list[int]
    num_prompt_tokens: int
    params: SamplingParams
    priority: Priority = Priority.ONLINE
    cache_salt: str = ""
    account: str = ""
    adapter: int | None = None
    position_offset: int = 0
    status: SequenceStatus = SequenceStatus.WAITING
    num_computed_tokens: int = 0
    num_sampling: int = 0
    num_cached_tokens: int | None = None
    block_table: list[int] = field(default_factory=list)
    grammar: Grammar | None = None
    token_counts: TokenCounts | None = field(init=False, default=None)
    prompt_logprobs: list[TokenLogprobs] | None = field(init=False, default=None)
    lookup: PromptLookup | None = field(init=False, default=None)
    allowed_words: "array[int] | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.params.num_prompt_logprobs is not None:
            self.prompt_logprobs = []
        if self.params.has_penalties:
            self.token_counts = TokenCounts(self.token_ids)
        if self.params.allowed_token_ids:
            self.allowed_words = _bitmask(self.params.allowed_token_ids)

    @property
    def block_salt(self) -> str:
        """The key that sequences must share to share blocks: the salt, and by which factors their keys are turned."""
        return f"\0long\0{self.cache_salt}" if self.position_offset else self.cache_salt

    def outgrows(self, rope_switch: int) -> bool:
        """Tells if it has more tokens than it can have with the factors by which its keys are turned.

        Args:
            rope_switch: The most tokens of a sequence with a model's short factors; 0 if it has none.
        """
        return 0 < rope_switch < self.num_tokens and not self.position_offset

    @property
    def num_tokens(self) -> int:
        """Prompt and completion tokens, with those being sampled."""
        return len(self.token_ids) + self.num_sampling

    @property
    def num_completion_tokens(self) -> int:
        """Completion tokens whose values are known."""
        return len(self.token_ids) - self.num_prompt_tokens

    @property
    def next_index(self) -> int:
        """The index in the completion of the token that the next step samples."""
        return self.num_tokens - self.num_prompt_tokens

    @property
    def has_all_tokens(self) -> bool:
        """Tells if the last token that it may have is sampled, or being sampled."""
        return self.next_index >= self.params.max_tokens

    @property
    def must_know_its_tokens(self) -> bool:
        """Tells if a step can sample a token only when the values of those before it are known on the host."""
        params = self.params
        return self.grammar is not None or params.has_penalties or any(len(word) > 1 for word in params.bad_words)

    @property
    def num_uncomputed_tokens(self) -> int:
        """Tokens that the model has not read yet: 1 while decoding, more while prefilling."""
        return self.num_tokens - self.num_computed_tokens

    @property
    def num_missing_blocks(self) -> int:
        """The number of blocks more that its tokens need."""
        return num_blocks_for(self.num_tokens) - len(self.block_table)

    @property
    def is_decoding(self) -> bool:
        """Tells if a single token is left to compute, so that a step that runs it samples the next one."""
        return self.num_uncomputed_tokens == 1

    @property
    def wants_prompt_logits(self) -> bool:
        """Tells if log probabilities of the prompt's tokens are asked for that are not being computed yet."""
        return self.prompt_logprobs is not None and self.num_computed_tokens < self.num_prompt_tokens - 1

    def pop_prompt_logprobs(self) -> list[TokenLogprobs]:
        """Those of the whole prompt, once it is computed and never again."""
        logprobs, self.prompt_logprobs = self.prompt_logprobs or [], None
        return logprobs

    def forbidden_token_ids(self, draft: Iterable[int] = ()) -> list[int]:
        """The tokens that would complete a bad word if they came next, behind a draft if there is one."""
        words = self.params.bad_words
        if not words:
            return []
        first = max(self.num_prompt_tokens, len(self.token_ids) - max(map(len, words)))
        end = (*self.token_ids[first:], *draft)
        return [word[-1] for word in words if _ends_with(end, word[:-1])]

    def append(self, token_id: int) -> None:
        """Lets the completion grow by a token.

        Raises:
            GrammarError: It can't be followed through its grammar any more.
        """
        self.token_ids.append(token_id)
        if self.token_counts is not None:
            self.token_counts.add(token_id)
        if self.grammar is not None and not self.params.ends_with(token_id):
            self.grammar.accept(token_id)

    def finish_reason(self) -> FinishReason | None:
        """The reason why the completion has ended with its last token; None if it has not."""
        if self.num_completion_tokens == 0:
            return None
        if self.params.ends_with(self.token_ids[-1]):
            return FinishReason.STOP
        if self.grammar is not None and self.grammar.is_complete:
            return FinishReason.STOP
        if self.num_completion_tokens >= self.params.max_tokens:
            return FinishReason.LENGTH
        return None


def _ends_with(completion: tuple[int, ...], token_ids: tuple[int, ...]) -> bool:
    return not token_ids or completion[-len(token_ids) :] == token_ids


def _bitmask(token_ids: tuple[int, ...]) -> "array[int]":
    words = array("I", bytes(4 * (max(token_ids) // 32 + 1)))
    for token_id in token_ids:
        words[token_id // 32] |= 1 << token_id % 32
    return words
