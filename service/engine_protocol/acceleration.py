"""Ways to compute the same tokens faster. Trials find which are right on a card: none has run on a GPU yet."""

import enum
from collections.abc import Set


class Acceleration(enum.StrEnum):
    """One way; the plain path is right without any."""

    ATTENTION = "attention"  # a Triton kernel decodes from the KV cache's blocks, which are not gathered first
    LINEARS = "linears"  # Triton kernels multiply by packed weights of 4 and 8 bits
    LAYERS = "layers"  # torch.compile makes fewer, larger kernels of what stands between matrix products
    GRAPHS = "graphs"  # CUDA graphs start all kernels of a decoding step at once; needs ATTENTION
    OVERLAP = "overlap"  # a step is scheduled while the one before it runs
    VARLEN = "varlen"  # all that prefill attend in one call of PyTorch's flash attention for ragged batches
    FLEX = "flex"  # the same by FlexAttention, which torch.compile makes a kernel of


class AccelerationError(ValueError):
    """These ways can't be used together, or not here; the message says what to change."""


PREFILLS = frozenset({Acceleration.VARLEN, Acceleration.FLEX})
"""Ways in which prompts attend; without one of them each sequence does by PyTorch's `scaled_dot_product_attention`."""

ATTENTIONS = PREFILLS | {Acceleration.ATTENTION}
"""All that attend in another way than without."""

_WITH_SEVERAL_RANKS = frozenset({Acceleration.ATTENTION})


def check_accelerations(accelerations: Set[Acceleration], num_ranks: int = 1) -> None:
    """Refuses what needs something that is not asked for, or does not work here.

    Args:
        accelerations: What is asked for.
        num_ranks: How many devices share a model.

    Raises:
        AccelerationError: Something is missing, or in the way.
    """
    if num_ranks > 1 and (others := sorted(accelerations - _WITH_SEVERAL_RANKS)):
        raise AccelerationError(f"{', '.join(others)} can't be used where several devices share a model")
    if Acceleration.GRAPHS in accelerations and Acceleration.ATTENTION not in accelerations:
        raise AccelerationError("graphs needs attention: only its kernel has the same shapes in each step")
    if accelerations >= PREFILLS:
        raise AccelerationError("varlen and flex do the same: name one of them")
