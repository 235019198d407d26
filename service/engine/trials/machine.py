"""The facts that a choice depends on beside the model: processor or card, versions, our own code."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import psutil
import torch

from service.engine.device import is_cpu

_PACKAGES: Final = ("torch", "transformers", "triton")
_ENGINE: Final = Path(__file__).parents[1]
_ROOMS: Final = ("attention", "forward", "kernels", "linears", "native", "startup", "trials")
_PROCESSOR_LINES: Final = ("model name", "cpu family", "model", "stepping", "flags", "Features", "CPU part")


def machine_facts(device: str) -> dict[str, Any]:
    """The facts of this machine, with its versions.

    Args:
        device: "cpu", "cuda", "cuda:1", ...
    """
    return {
        "device": device.partition(":")[0],
        "processor": _processor(),
        "cores": num_cores(),
        "card": "" if is_cpu(torch.device(device)) else _card(device),
        "versions": {name: _version(name) for name in _PACKAGES},
        "sources": _sources_hash(),
        "compiler": os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++") or "",
    }


def num_cores() -> int:
    """The number of cores that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")  # macOS does not tell which cores a process may use
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def num_physical_cores() -> int:
    """The number of these that share nothing with another one, if all threads of a core are ours."""
    physical, logical = psutil.cpu_count(logical=False), psutil.cpu_count()
    if not physical or not logical:
        return num_cores()
    return max(1, int(num_cores() * physical // logical))


@functools.cache
def _processor() -> str:
    """A name that two processors of different instructions don't share."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.machine()} {_mac_name() or platform.processor()}"
    first, _, _ = cpuinfo.read_text().partition("\n\n")
    told = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    written = "\n".join(told.get(name, "") for name in _PROCESSOR_LINES)
    name = told.get("model name") or platform.machine()
    return f"{name} {hashlib.sha256(written.encode()).hexdigest()[:12]}"


def _mac_name() -> str:
    if sys.platform != "darwin":
        return ""
    found = subprocess.run(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, check=False)
    return found.stdout.decode().strip()


def _card(device: str) -> str:
    """The card, its memory and the driver."""
    import torch

    properties = torch.cuda.get_device_properties(torch.device(device))
    driver = Path("/proc/driver/nvidia/version")
    first_line = driver.read_text().partition("\n")[0] if driver.exists() else ""
    return f"{properties.name}, {properties.total_memory >> 20} MiB, {first_line}"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _sources_hash() -> str:
    """Of the rooms whose code is tried, so that a choice is made again after they have changed."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_ENGINE / room).rglob("*.*")):
            if path.suffix in (".py", ".h", ".cpp"):
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]
