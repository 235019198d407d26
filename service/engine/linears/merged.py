"""Quantized layers of the same input as one layer, so that one kernel reads all their matrices."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from service.engine.linears.codes import CodesLinear, merged_linear
from service.engine.linears.quantized import GroupedLinear, Int8Linear, Kernel
from service.engine.linears.tinygemm import HalvesKernelLinear, Int4KernelLinear

QUANTIZED = (CodesLinear, Int8Linear, GroupedLinear, Int4KernelLinear, HalvesKernelLinear)
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
    compiled = [part for part in parts if isinstance(part, CodesLinear)]
    if len(compiled) == len(parts):
        return parts if (whole := merged_linear(compiled)) is None else (whole,)
    if isinstance(first, Int8Linear) and all(isinstance(other, Int8Linear) for other in others):
        return (_merge(first, others),)
    if isinstance(first, GroupedLinear) and all(
        isinstance(other, GroupedLinear) and first.has_groups_of(other) for other in others
    ):
        return (_merge(first, others),)
    return parts


def _merge(first: Int8Linear | GroupedLinear, others: Sequence[nn.Module]) -> nn.Module:
    parts: list[Int8Linear | GroupedLinear] = [first, *others]  # type: ignore[list-item]  # `merged` has looked
    bias = merged_bias(parts)
    first.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    first.kernel = merged_kernel([part.kernel for part in parts])
    for name, dimension in first.OUTPUT_DIMENSIONS.items():
        buffers = [getattr(part, name) for part in parts]
        for other in others:
            setattr(other, name, buffers[0].new_empty(0))
        setattr(first, name, torch.cat(buffers, dim=dimension))
    first.out_features = sum(part.out_features for part in parts)
    return first


def merged_kernel(kernels: Sequence[Kernel | None]) -> Kernel | None:
    """The kernel of layers that become one, for numbers of rows at which it pays in each; None if those are none."""
    known = [kernel for kernel in kernels if kernel is not None]
    row_counts = frozenset[int].intersection(*(frozenset(kernel.row_counts) for kernel in known)) if known else ()
    return replace(known[0], row_counts=row_counts) if row_counts and len(known) == len(kernels) else None


def merged_bias(parts: Sequence[nn.Linear | Int8Linear | GroupedLinear]) -> torch.Tensor | None:
    """The biases of all outputs, zeros for layers without one; None only if no layer has one."""
    known = next((part.bias for part in parts if part.bias is not None), None)
    if known is None:
        return None
    return torch.cat(
        [known.new_zeros(part.out_features) if part.bias is None else part.bias.detach() for part in parts]
    )
