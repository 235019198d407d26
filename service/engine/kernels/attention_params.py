"""The numbers by which a layer's attention differs from another's."""

from typing import NamedTuple


class AttentionParams(NamedTuple):
    """A layer's way to score what a token attends to. A tuple, for one is made for each layer in each step.

    Attributes:
        scaling: Scores are multiplied by it.
        sliding_window: The number of tokens, itself the last, that a token sees; None for all.
        softcap: The size that scores are kept below, softcap * tanh(score / softcap); None for no bound.
    """

    scaling: float
    sliding_window: int | None = None
    softcap: float | None = None
