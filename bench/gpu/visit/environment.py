"""What is there: the card, the versions, and which packages of those that a part needs can be imported."""

import importlib
import importlib.metadata
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

from bench import machine
from bench.gpu.visit.state import Found
from service.engine.device import is_cuda

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "engine": ("torch", "transformers", "numpy", "triton", "safetensors", "tokenizers", "psutil"),
    "grammars": ("llguidance",),
    "tests": ("pytest",),
    "service": (
        *("grpc", "google.protobuf", "google.rpc", "grpc_status", "grpc_health", "grpc_reflection", "click"),
        *("jinja2", "jsonschema_rs", "prometheus_client", "huggingface_hub", "gguf", "filelock", "optimum", "httpx2"),
    ),
    "bridge": ("aiohttp", "jsonschema", "brotli", "swagger_ui", "prometheus_client"),
}
"""Modules to import, by what needs them."""

_LIMIT_OF_A_COMMAND_S = 10


@dataclass(frozen=True)
class EnvironmentJob:
    """Tells what is there.

    Attributes:
        device: "cuda", "cpu", ...
    """

    device: str

    def run(self) -> Iterator[Found]:
        """Tells of the machine first, as a package may crash where it is imported."""
        yield Found("machine", machine.describe(self.device).line())
        if is_cuda(torch.device(self.device)):
            properties = torch.cuda.get_device_properties(self.device)
            yield Found("device_name", properties.name)
            yield Found("memory_bytes", torch.cuda.mem_get_info(self.device)[0])
        else:
            yield Found("device_name", "CPU")
        yield Found("environments", {**importable(), "nvidia-smi": _told_by("nvidia-smi")})


def importable(packages: Mapping[str, tuple[str, ...]] = PACKAGES) -> dict[str, Any]:
    """Versions of the packages that can be imported, and the reasons of those that can't, by who needs them."""
    versions: dict[str, str] = {}
    missing: dict[str, dict[str, str]] = {}
    for needs, names in packages.items():
        for name in names:
            try:
                importlib.import_module(name)
                versions[name] = _version(name)
            except Exception as error:
                missing.setdefault(needs, {})[name] = f"{type(error).__name__}: {error}"[:200]
    return {"versions": versions, "missing": missing}


def _version(module: str) -> str:
    """The version of the package that a module is of, or as much as is known."""
    names = importlib.metadata.packages_distributions().get(module.partition(".")[0], [])
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names))[:1]) or "there"


def _told_by(command: str) -> str:
    """The output of a command; empty where there is none."""
    try:
        done = subprocess.run([command], capture_output=True, text=True, timeout=_LIMIT_OF_A_COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[:4000]
