"""PyTorch's flash attention for ragged batches (`torch.nn.attention.varlen`), for sequences that prefill.

In PyTorch 2.11 to 2.13 it runs on CUDA only, in 16 bits.
"""

import inspect
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from service.engine.attention.packed_prefill import RaggedLengths
from service.engine.device import is_cuda, to_device
from service.engine.kernels.attention_params import AttentionParams
from service.engine_protocol.acceleration import AccelerationError

Varlen = Callable[..., Any]
"""`varlen_attn`, whose optional arguments differ by PyTorch's version."""

_WHERE_KNOWN = {"enable_gqa": True, "num_splits": 1}
"""Arguments since PyTorch 2.12. Before, no head count is checked; with splits rows were wrong (pytorch#194167)."""


class VarlenPlan(NamedTuple):
    """Where each sequence begins and the last one ends, int32 [sequences + 1], and the longest."""

    query_bounds: torch.Tensor
    context_bounds: torch.Tensor
    longest_query: int
    longest_context: int


class VarlenAttention:
    """Attends by the library's function; see `PrefillAttention`.

    Args:
        varlen: The function.
    """

    def __init__(self, varlen: Varlen) -> None:
        known = inspect.signature(varlen).parameters
        self._varlen = varlen
        self._optional = {name: given for name, given in _WHERE_KNOWN.items() if name in known}

    def plan(self, lengths: RaggedLengths) -> VarlenPlan:
        """Prepares for all layers of a step that have the same window."""
        bounds = [to_device(_bounds(each), lengths.device, torch.int32) for each in (lengths.queries, lengths.contexts)]
        return VarlenPlan(bounds[0], bounds[1], max(lengths.queries), max(lengths.contexts))

    def __call__(
        self, query: torch.Tensor, context: torch.Tensor, plan: VarlenPlan, params: AttentionParams
    ) -> torch.Tensor:
        """Lets each chunk attend to its own context; see `PrefillAttention`."""
        if params.softcap is not None:
            raise AccelerationError("varlen does not know capped scores, which this model has: serve it without")
        keys, values = context.chunk(2, dim=1)
        left = -1 if params.sliding_window is None else params.sliding_window - 1  # besides the token itself
        attended: torch.Tensor = self._varlen(
            query, keys, values, *plan, scale=params.scaling, window_size=(left, 0), **self._optional
        )
        return attended


def library_varlen(device: torch.device) -> Varlen:
    """The library's function.

    Raises:
        AccelerationError: It does not run on the device, or this PyTorch has none.
    """
    if not is_cuda(device):
        raise AccelerationError(f"varlen does not run on {device.type}: PyTorch has that kernel for CUDA only")
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        raise AccelerationError(f"varlen needs PyTorch 2.11 or later, and this is {torch.__version__}") from None
    return varlen_attn


def _bounds(lengths: tuple[int, ...]) -> list[int]:
    return list(itertools.accumulate(lengths, initial=0))
