"""The device that a process computes on, and what is true of it: nothing else in the engine asks for its kind."""

from collections.abc import Sequence
from typing import Any

import torch

_INTERPRETER_MULTIPROCESSORS = 2
"""A matrix that a test computes in Triton's interpreter is split too."""


class NoDeviceError(Exception):
    """The device that the engine is to run on is not there."""


def is_cpu(device: torch.device) -> bool:
    """Tells if it is the host's own processor, whose results the host reads without waiting."""
    return device.type == "cpu"


def is_cuda(device: torch.device | str) -> bool:
    """Tells if it is one of CUDA's, for which PyTorch has operators and formats of their own."""
    return (device if isinstance(device, str) else device.type).startswith("cuda")


def has_streams(device: torch.device) -> bool:
    """Tells if it computes in streams while the host goes on. Copies from and to pinned memory then don't wait."""
    return is_cuda(device)


def has_graphs(device: torch.device) -> bool:
    """Tells if it can record steps and replay them."""
    return is_cuda(device)


def has_triton(device: torch.device) -> bool:
    """Tells if Triton compiles kernels for it. On a CPU its interpreter runs them, for tests."""
    return is_cuda(device)


def has_own_memory(device: str) -> bool:
    """Tells if it has memory of its own, of which its driver knows how much is free."""
    return is_cuda(device)


def num_multiprocessors(device: torch.device) -> int:
    """The number of multiprocessors that a kernel's work is split among."""
    if not has_triton(device):
        return _INTERPRETER_MULTIPROCESSORS
    return torch.cuda.get_device_properties(device).multi_processor_count


def collective_backend(device: str) -> str:
    """The backend of torch.distributed through which its ranks speak to each other."""
    return "nccl" if is_cuda(device) else "gloo"


def cuda_devices_seen() -> dict[str, Any]:
    """CUDA's devices with their free memory in bytes, or the problem, as `service.models.auto_device` reads it."""
    if torch.version.cuda is None:
        return {"problem": f"PyTorch {torch.__version__} here is built without CUDA", "devices": []}
    if not torch.cuda.is_available():
        return {"problem": f"PyTorch {torch.__version__} sees no GPU", "devices": []}
    devices = [
        {
            "name": f"cuda:{index}",
            "card": torch.cuda.get_device_name(index),
            "free_bytes": torch.cuda.mem_get_info(index)[0],
        }
        for index in range(torch.cuda.device_count())
    ]
    return {"problem": "", "devices": devices}


def use_device(device: str) -> None:
    """Makes a CUDA device this process's own: there Triton's kernels run and graphs are captured, whatever they get.

    Raises:
        NoDeviceError: It is not there.
    """
    if not is_cuda(device):
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
    if not has_streams(device):
        return torch.tensor(numbers, dtype=dtype, device=device)
    return torch.tensor(numbers, dtype=dtype, pin_memory=True).to(device, non_blocking=True)


def tensor_to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A CPU's tensor on a device."""
    return tensor.pin_memory().to(device, non_blocking=True) if has_streams(device) else tensor.to(device)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor on the CPU, where it is valid as soon as an event is that is recorded now."""
    if not has_streams(tensor.device):
        return tensor
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
