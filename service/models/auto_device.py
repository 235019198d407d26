"""Where the models run if nobody says it: on a GPU that PyTorch sees and that has room for them, else on the CPU."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from service.catalog import Catalog
from service.checkpoints.errors import CheckpointError
from service.checkpoints.memory import in_gb
from service.checkpoints.need import need_of
from service.config import ServiceConfig
from service.devices import AUTO
from service.errors import WeightsMissingError
from service.models.opening import engine_configs

_PROGRAM: Final = (sys.executable, "-m", "service.engine.process.cuda_devices")
_TIMEOUT_S: Final = 60.0
_DRIVER_FILES: Final = ("/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """A GPU that PyTorch sees.

    Attributes:
        name: As PyTorch has it, such as "cuda:0".
        card: What it is.
        free_bytes: What is free of its memory.
    """

    name: str
    card: str
    free_bytes: int


class NoCudaError(Exception):
    """There is no GPU; the message says why."""


def on_chosen_device(
    config: ServiceConfig, catalog: Catalog, probe: Callable[[], list[CudaDevice]] | None = None
) -> tuple[ServiceConfig, str]:
    """The settings with devices in place of "auto", and why it is these; as they are, without a reason, if named.

    Args:
        config: The settings.
        catalog: What the models take is read from their weights.
        probe: Finds the GPUs, or raises NoCudaError; None for asking PyTorch.

    Raises:
        ConfigError: The settings don't fit the devices.
    """
    if config.devices != (AUTO,):
        return config, ""
    try:
        devices = (probe or cuda_devices)()
        num_needed, need_bytes = config.tensor_parallel, _need_bytes(config, catalog)
        roomy = [device for device in devices if device.free_bytes >= need_bytes // num_needed]
        if len(roomy) < num_needed:
            raise NoCudaError(_refusal(devices, need_bytes, num_needed))
    except NoCudaError as error:
        return replace(config, devices=("cpu",) * config.tensor_parallel, is_device_chosen=True), f"the CPU: {error}"
    chosen = roomy[:num_needed]
    told = ", ".join(f"{it.name}, {it.card}, with {in_gb(it.free_bytes)} free" for it in chosen)
    return replace(config, devices=tuple(it.name for it in chosen), is_device_chosen=True), told


def cuda_devices() -> list[CudaDevice]:
    """The GPUs that PyTorch sees, asked in a process of its own: this one loads no torch.

    Raises:
        NoCudaError: There is none.
    """
    if not (shutil.which("nvidia-smi") or any(map(os.path.exists, _DRIVER_FILES))):
        raise NoCudaError("no NVIDIA driver is here")
    try:
        found = subprocess.run(_PROGRAM, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
        told = json.loads(found.stdout)
        if told["problem"]:
            raise NoCudaError(str(told["problem"]))
        return [CudaDevice(it["name"], it["card"], int(it["free_bytes"])) for it in told["devices"]]
    except subprocess.TimeoutExpired:
        raise NoCudaError(f"PyTorch found no GPU within {_TIMEOUT_S:g} s") from None
    except (subprocess.CalledProcessError, ValueError, LookupError, TypeError) as error:
        raise NoCudaError(f"PyTorch can't say which GPUs there are: {error}") from None


def _need_bytes(config: ServiceConfig, catalog: Catalog) -> int:
    """What the models take together whose weights are here; those that are missing can't be loaded."""
    on_cuda = replace(config, devices=("cuda",) * config.tensor_parallel)
    total_bytes = 0
    for model_id in config.models_to_load:
        if model_id not in catalog:
            continue
        try:
            engine = engine_configs(on_cuda, catalog[model_id], catalog)[0]
            total_bytes += need_of(engine).total_bytes
        except (WeightsMissingError, CheckpointError, OSError):
            continue
    return total_bytes


def _refusal(devices: list[CudaDevice], need_bytes: int, num_needed: int) -> str:
    if not devices:
        return "PyTorch sees no GPU"
    free = ", ".join(f"{it.name} has {in_gb(it.free_bytes)} free" for it in devices)
    of_each = f"{num_needed} GPUs" if num_needed > 1 else "a GPU"
    return f"{free}, and the models need {of_each} with {in_gb(need_bytes // num_needed)}"
