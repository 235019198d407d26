"""One request inside the engine: its tokens, its blocks and how far it has come."""

import enum
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are chosen and how many; complete and checked, the edge has filled in every default.

    Attributes:
        max_tokens: The most tokens to generate, at least 1.
        temperature: What logits are divided by; 0 takes the most likely token.
        top_k: Only this many most likely tokens can be chosen; 0 means all.
        top_p: Only the smallest set of most likely tokens with at least this probability can be chosen; 1 means all.
        seed: Decides all draws of this request, see `sampling.uniform`.
        eos_token_ids: The tokens that end the completion.
    """

    max_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    eos_token_ids: frozenset[int] = frozenset()


class FinishReason(enum.Enum):
    """Why a completion ended."""

    STOP = "stop"
    LENGTH = "length"


class SequenceStatus(enum.Enum):
    """Where a sequence stands between its arrival and its end."""

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
        params: How its tokens are chosen.
        num_computed_tokens: How many of `token_ids` have their keys and values in the KV cache.
        block_table: The ids of the blocks that hold them, in order.
    """

    id: str
    token_ids: list[int]
    num_prompt_tokens: int
    params: SamplingParams
    status: SequenceStatus = SequenceStatus.WAITING
    num_computed_tokens: int = 0
    block_table: list[int] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Prompt and completion tokens."""
        return len(self.token_ids)

    @property
    def num_completion_tokens(self) -> int:
        """Tokens generated so far, which is also the index of the next one to draw."""
        return len(self.token_ids) - self.num_prompt_tokens

    @property
    def num_uncomputed_tokens(self) -> int:
        """Tokens that the model has not read yet: 1 while decoding, more while prefilling."""
        return len(self.token_ids) - self.num_computed_tokens

    def finish_reason(self) -> FinishReason | None:
        """Why the completion has ended with its last token; None if it has not."""
        if self.num_completion_tokens == 0:
            return None
        if self.token_ids[-1] in self.params.eos_token_ids:
            return FinishReason.STOP
        if self.num_completion_tokens >= self.params.max_tokens:
            return FinishReason.LENGTH
        return None
