"""The way in which sequences that prefill attend, as `--accelerate` asks for it."""

import os
from collections.abc import Set

import torch

from service.engine.attention.packed_prefill import PrefillAttention
from service.engine.attention.varlen import VarlenAttention, library_varlen
from service.engine.device import is_cpu
from service.engine.forward.compiled_layers import keep_compiled_code
from service.engine_protocol.acceleration import PREFILLS, Acceleration, AccelerationError


def prefill_attention_for(
    device: torch.device, accelerations: Set[Acceleration], given: PrefillAttention | None = None
) -> PrefillAttention | None:
    """The way to use; None for a call of SDPA for each sequence.

    Args:
        device: Where it computes.
        accelerations: The ways to be faster that are used, at most one of `PREFILLS` among them.
        given: What is used in place of the library's.

    Raises:
        AccelerationError: What is asked for does not run there.
    """
    if not accelerations & PREFILLS:
        return None
    if given is not None:
        return given
    if Acceleration.VARLEN in accelerations:
        return VarlenAttention(library_varlen(device))
    if is_cpu(device):
        raise AccelerationError("flex is for CUDA: a CPU has other ways, and compiles this one for up to a minute")
    # Its import takes a start longer than all else of attention.
    from service.engine.attention.flex import FlexAttention, compiled_flex

    keep_compiled_code(os.environ)
    return FlexAttention(compiled_flex())
