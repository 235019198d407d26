"""The part of its sequences that a step computes."""

from dataclasses import dataclass, field

from service.engine.scheduling.sequence import Sequence, SequenceStatus

MAX_PROMPT_LOGITS = 256
"""Behind how many of the prompts' tokens one step computes logits: each takes as much memory as the vocabulary."""


@dataclass(slots=True)
class ScheduledSequence:
    """A sequence and which of its tokens a step computes.

    Attributes:
        sequence: The sequence.
        num_tokens: How many of its uncomputed tokens, at least 1, with those of `draft`.
        start: The place of the first of them.
        is_last_chunk: Whether that is all that there is to compute, so that the step samples the next token.
        draft: Tokens that may come next. They are computed too, and the step samples the token behind each.
        num_prompt_logits: Behind how many of them, from the first on, the log probabilities of the prompt's next tokens
            are asked for.
    """

    sequence: Sequence
    num_tokens: int
    start: int = field(init=False)
    is_last_chunk: bool = field(init=False)
    num_prompt_logits: int = field(init=False, default=0)
    draft: list[int] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.sequence.num_computed_tokens
        self.is_last_chunk = self.num_tokens == self.sequence.num_uncomputed_tokens
        if self.sequence.wants_prompt_logits:
            self.num_prompt_logits = min(self.end, self.sequence.num_prompt_tokens - 1) - self.start

    @property
    def end(self) -> int:
        """The place behind the last of them."""
        return self.start + self.num_tokens

    @property
    def num_sampled(self) -> int:
        """The number of tokens that the step samples for it."""
        return 1 + len(self.draft) if self.is_last_chunk else 0

    def add_draft(self, token_ids: list[int]) -> None:
        """Computes tokens that may come next behind its last one."""
        assert self.is_last_chunk, "what follows a chunk is known"
        self.draft = token_ids
        self.num_tokens += len(token_ids)

    def token_ids(self, first: int, last: int) -> list[int]:
        """Its tokens from one place to before another, those of the draft among them, as far as they are known."""
        known = self.sequence.token_ids[first:last]
        if not self.draft:
            return known
        first_drafted = self.end - len(self.draft)
        return [*known, *self.draft[max(0, first - first_drafted) : max(0, last - first_drafted)]]


@dataclass(slots=True)
class Step:
    """A step while it is being put together: what is left of its budgets, and each sequence's tokens."""

    budget: int
    prompt_logits: int = MAX_PROMPT_LOGITS
    num_tokens: dict[Sequence, int] = field(default_factory=dict)

    def add(self, sequence: Sequence) -> None:
        """Gives a sequence as many of its uncomputed tokens as are left."""
        num_tokens = min(sequence.num_uncomputed_tokens, self.budget)
        if sequence.wants_prompt_logits:
            num_tokens = min(num_tokens, self.prompt_logits)
            self.prompt_logits -= num_tokens
        if num_tokens:
            self.num_tokens[sequence] = num_tokens
            self.budget -= num_tokens

    def scheduled(self) -> list[ScheduledSequence]:
        """The sequences that the step runs; not those that were preempted for others after they were added."""
        return [
            ScheduledSequence(sequence, num_tokens)
            for sequence, num_tokens in self.num_tokens.items()
            if sequence.status is SequenceStatus.RUNNING
        ]
