"""Ways to compute the same tokens faster. Each is off until `--accelerate` names it: none has run on a GPU yet."""

import enum
from collections.abc import Set


class Acceleration(enum.StrEnum):
    """One way; the plain path is right without any."""

    ATTENTION = "attention"  # a Triton kernel decodes from the KV cache's blocks, which are not gathered first
    LINEARS = "linears"  # Triton kernels multiply by packed weights of 4 and 8 bits
    LAYERS = "layers"  # torch.compile makes fewer, larger kernels of what stands between matrix products
    GRAPHS = "graphs"  # CUDA graphs start all kernels of a decoding step at once; needs ATTENTION
    OVERLAP = "overlap"  # a step is scheduled while the one before it runs


class AccelerationError(ValueError):
    """These ways can't be used together, or not here; the message says what to change."""


def check_accelerations(accelerations: Set[Acceleration]) -> None:
    """Refuses what needs something that is not asked for.

    Raises:
        AccelerationError: Something is missing.
    """
    if Acceleration.GRAPHS in accelerations and Acceleration.ATTENTION not in accelerations:
        raise AccelerationError("graphs needs attention: only its kernel has the same shapes in each step")
