"""Copies between the host and a device that wait for nothing the device does.

`torch.tensor(numbers, device="cuda")` and indexing with lists copy from pageable memory, and such a copy returns only
when the device has done all that it was given before. From pinned memory a copy is one more piece of work behind it.
"""

from collections.abc import Sequence

import torch


def to_device(
    numbers: Sequence[int] | Sequence[float] | Sequence[Sequence[int]] | Sequence[Sequence[float]],
    device: torch.device,
    dtype: torch.dtype = torch.int64,
) -> torch.Tensor:
    """A tensor of numbers on a device."""
    if device.type != "cuda":
        return torch.tensor(numbers, dtype=dtype, device=device)
    return torch.tensor(numbers, dtype=dtype, pin_memory=True).to(device, non_blocking=True)


def tensor_to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A CPU's tensor on a device."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU, where it is valid as soon as an event is that is recorded now."""
    if tensor.device.type != "cuda":
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
