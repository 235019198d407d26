"""The device that a process computes on."""

from collections.abc import Sequence

import torch


class NoDeviceError(Exception):
    """The device that the engine is to run on is not there."""


def use_device(device: str) -> None:
    """Makes a CUDA device this process's own: there Triton's kernels run and graphs are captured, whatever they get.

    Raises:
        NoDeviceError: It is not there.
    """
    if not device.startswith("cuda"):
        return
    index, num_devices = torch.device(device).index or 0, torch.cuda.device_count()
    if index >= num_devices:
        raise NoDeviceError(
            f"there is no {device}: PyTorch {torch.__version__} sees {num_devices} CUDA devices here; nvidia-smi shows "
            "those that the driver has"
        )
    torch.cuda.set_device(index)


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
