"""Which build of torch suits this machine.

For Linux, PyPI's torch depends on gigabytes of CUDA packages. A machine without an NVIDIA driver has no use for them,
so there torch comes from PyTorch's own index of CPU builds, where that can be reached.
"""

import platform
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

CPU_INDEX_URL = "https://download.pytorch.org/whl/cpu"


@dataclass(frozen=True)
class TorchBuild:
    """A build of torch, with what it makes an installation weigh (measured with the bridge and service extras)."""

    name: str
    index_url: str | None
    download_mb: int
    disk_mb: int


CPU_CONFIGURED = TorchBuild("CPU build", None, 280, 1300)
CPU_FROM_PYTORCH = TorchBuild("CPU build", CPU_INDEX_URL, 280, 1300)
MACOS = TorchBuild("macOS build", None, 190, 900)
CUDA = TorchBuild("CUDA build", None, 2800, 5300)
CUDA_UNASKED = TorchBuild("CUDA build, since PyTorch's index of CPU builds can't be reached", None, 2800, 5300)


def choose(system: str, has_driver: bool, is_cpu_configured: bool, can_reach_cpu_index: bool) -> TorchBuild:
    """Picks the build.

    Args:
        system: `platform.system()`.
        has_driver: whether an NVIDIA driver is installed.
        is_cpu_configured: whether pip, as configured here, takes a CPU build by itself.
        can_reach_cpu_index: whether PyTorch's own index of CPU builds answers.
    """
    if system != "Linux":
        return MACOS
    if is_cpu_configured:
        return CPU_CONFIGURED
    if has_driver:
        return CUDA
    return CPU_FROM_PYTORCH if can_reach_cpu_index else CUDA_UNASKED


def has_nvidia_driver() -> bool:
    """Tells whether an NVIDIA driver is installed, WSL's included."""
    paths = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")
    return shutil.which("nvidia-smi") is not None or any(Path(path).exists() for path in paths)


def can_reach(url: str, timeout_s: float = 4.0) -> bool:
    """Tells whether a web address answers with success in time."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s):  # noqa: S310 - callers pass https addresses
            return True
    except (urllib.error.URLError, OSError):
        return False


def for_this_machine(is_cpu_configured: bool) -> TorchBuild:
    """Picks the build for the machine this runs on; asks the network only where the answer matters."""
    has_driver = has_nvidia_driver()
    needs_cpu_index = platform.system() == "Linux" and not has_driver and not is_cpu_configured
    can_reach_cpu_index = needs_cpu_index and can_reach(f"{CPU_INDEX_URL}/torch/")
    return choose(platform.system(), has_driver, is_cpu_configured, can_reach_cpu_index)
