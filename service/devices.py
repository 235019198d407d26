"""The devices that engines run on, and how much they do at once there unless somebody says otherwise."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

AUTO: Final = "auto"
"""In place of devices: a GPU that has room, else the CPU."""


@dataclass(frozen=True, slots=True)
class EngineBounds:
    """How much one engine does at once.

    Attributes:
        max_num_seqs: The most sequences that run at once.
        max_num_batched_tokens: The most tokens of one step.
        kv_cache_memory_mib: What the KV cache takes; 0 for what is free on a CUDA device.
    """

    max_num_seqs: int
    max_num_batched_tokens: int
    kv_cache_memory_mib: int


CPU_BOUNDS = EngineBounds(64, 512, 512)
"""For the CPU, and for every device that is not CUDA's."""

CUDA_BOUNDS = EngineBounds(256, 2048, 0)
"""For a GPU; reasoned, not measured. A step reads all weights once, however many sequences it serves, and computes as
fast as the GPU can from about a thousand tokens on. More tokens would only make those that decode wait for longer."""


class DeviceError(ValueError):
    """Engines can't run on these devices; the message says what to change."""


def parse_devices(names: str) -> tuple[str, ...]:
    """Devices as the command line has them.

    Args:
        names: Names of torch devices with commas between; a number is that of a CUDA device. Or "auto", alone.

    Raises:
        DeviceError: There are none, they are of several kinds, or a CUDA device is named twice.
    """
    devices = tuple(f"cuda:{name}" if name.isdecimal() else name for name in map(str.strip, names.split(",")) if name)
    if not devices:
        raise DeviceError("name at least one device")
    if AUTO in devices and len(devices) > 1:
        raise DeviceError(f"{AUTO} chooses by itself: name it alone, or devices")
    if len({device.partition(":")[0] for device in devices}) > 1:
        raise DeviceError(f"{', '.join(devices)} are of several kinds, and a model runs on one kind")
    twice = [device for device, count in Counter(map(_with_number, devices)).items() if count > 1 and is_cuda(device)]
    if twice:
        raise DeviceError(f"{twice[0]} is named twice: two engines of a model on one GPU only halve its memory")
    return devices


def is_cuda(device: str) -> bool:
    """Whether a device is one of CUDA's."""
    return device.startswith("cuda")


def _with_number(device: str) -> str:
    return "cuda:0" if device == "cuda" else device
