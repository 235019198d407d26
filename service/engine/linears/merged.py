"""Quantized layers of the same input as one layer, so that one kernel reads all their matrices."""

from collections.abc import Sequence

import torch
from torch import nn

from service.engine.linears.quantized import GroupedLinear, Int8Linear
from service.engine.linears.tinygemm import HalvesKernelLinear, Int4KernelLinear

QUANTIZED = (Int8Linear, GroupedLinear, Int4KernelLinear, HalvesKernelLinear)
"""All kinds of layers whose matrix stays packed."""


def merged(*parts: nn.Module) -> Sequence[nn.Module]:
    """Merges layers if they can be one.

    Args:
        parts: Layers of the same input.

    Returns:
        The first, which has taken over the weights of the others and gives their outputs after its own; or all as they
        are, if they differ in kind, bits, groups or order.
    """
    first, *others = parts
    if isinstance(first, Int8Linear) and all(isinstance(other, Int8Linear) for other in others):
        return (_merge(first, others),)
    if isinstance(first, GroupedLinear) and all(
        isinstance(other, GroupedLinear) and first.has_groups_of(other) for other in others
    ):
        return (_merge(first, others),)
    return parts


def _merge(first: Int8Linear | GroupedLinear, others: Sequence[nn.Module]) -> nn.Module:
    parts: list[Int8Linear | GroupedLinear] = [first, *others]  # type: ignore[list-item]  # `merged` has looked
    first.bias = _merged_bias(parts)
    kernels = [part.kernel for part in parts if part.kernel is not None]
    first.kernel = min(kernels, key=lambda kernel: kernel.max_rows) if len(kernels) == len(parts) else None
    for name, dimension in first.OUTPUT_DIMENSIONS.items():
        buffers = [getattr(part, name) for part in parts]
        for other in others:
            setattr(other, name, buffers[0].new_empty(0))
        setattr(first, name, torch.cat(buffers, dim=dimension))
    first.out_features = sum(part.out_features for part in parts)
    return first


def _merged_bias(parts: Sequence[Int8Linear | GroupedLinear]) -> nn.Parameter | None:
    """None only if no part has one."""
    dtype = next((part.bias.dtype for part in parts if part.bias is not None), None)
    if dtype is None:
        return None
    device = next(parts[0].buffers()).device
    biases = [
        torch.zeros(part.out_features, dtype=dtype, device=device) if part.bias is None else part.bias.detach()
        for part in parts
    ]
    return nn.Parameter(torch.cat(biases), requires_grad=False)
