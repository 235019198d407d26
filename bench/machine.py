"""Which machine a benchmark runs on, and whether it had that machine to itself."""

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers

_MAX_LOAD_AVERAGE = 0.5
_MAX_CORES_OF_OTHERS = 0.1
_CPU_INFO = Path("/proc/cpuinfo")
_INSTRUCTION_SETS = (
    *(
        "avx2",
        "fma",
        "f16c",
        "avx_vnni",
        "avx512f",
        "avx512_vnni",
        "avx512_bf16",
        "avx512_fp16",
        "amx_int8",
        "amx_bf16",
    ),
    *("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
_CPU_TIMES = Path("/proc/stat")


@dataclass(frozen=True)
class Machine:
    """What figures depend on besides the code.

    Attributes:
        device: The processor's name, and the accelerator's where one is used.
        num_cores: Logical cores that this process may use.
        num_threads: Threads of a tensor operation on the CPU.
        versions: Python's, torch's and transformers' versions, and on CUDA Triton's.
        load_average: Processes that ran or waited to run, over the last 1, 5 and 15 minutes.
    """

    device: str
    num_cores: int
    num_threads: int
    versions: dict[str, str]
    load_average: tuple[float, float, float]

    def line(self) -> str:
        """All of it in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        load = " ".join(f"{value:.2f}" for value in self.load_average)
        return f"{self.device}, {self.num_cores} cores, {self.num_threads} threads; {versions}; load average {load}"


def describe(device: str) -> Machine:
    """The machine as it is now, with the device that computes."""
    has_affinity = hasattr(os, "sched_getaffinity")  # not on macOS
    name = _cpu_name()
    if device.startswith("cuda"):
        name = f"{torch.cuda.get_device_name(device)}, {name}"
    return Machine(
        device=name,
        num_cores=len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1,
        num_threads=torch.get_num_threads(),
        versions={
            "Python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            **({"triton": version("triton")} if device.startswith("cuda") and find_spec("triton") else {}),
        },
        load_average=os.getloadavg(),
    )


def _cpu_name() -> str:
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def instruction_sets() -> list[str]:
    """Those of the processor that products of matrices profit from; empty where the system does not tell."""
    lines = _CPU_INFO.read_text().splitlines() if _CPU_INFO.exists() else []
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return [name for name in _INSTRUCTION_SETS if name in flags]


class Watch:
    """Sees what else runs on the machine from its creation on."""

    def __init__(self) -> None:
        self._begun_at = time.perf_counter()
        self._begun_busy_s = _others_busy_s()

    def cores_of_others(self) -> float:
        """How many cores other processes have kept busy on average; 0 where the system does not tell."""
        used_s = _others_busy_s() - self._begun_busy_s
        return max(0.0, used_s / (time.perf_counter() - self._begun_at))


def warning(load_average: float, cores_of_others: float = 0.0) -> str:
    """What to write beside figures that may not be quoted.

    Args:
        load_average: The one of the minute before the first measurement, which is not the measurements' own.
        cores_of_others: How many cores other processes used meanwhile.

    Returns:
        A line of Markdown; empty if the machine was quiet.
    """
    reasons = []
    if load_average > _MAX_LOAD_AVERAGE:
        reasons.append(f"the load average was {load_average:.2f} before")
    if cores_of_others > _MAX_CORES_OF_OTHERS:
        reasons.append(f"other processes used {cores_of_others:.2f} cores")
    return f"**The machine was not quiet, do not quote this: {' and '.join(reasons)}.**" if reasons else ""


def parse_busy_ticks(stat: str) -> int:
    """Clock ticks that all cores together were not idle, from the text of proc(5)'s stat; what a host stole counts."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.split(maxsplit=9)[1:9])
    return user + nice + system + irq + softirq + steal


def _others_busy_s() -> float:
    if not _CPU_TIMES.exists():
        return 0.0
    busy_s = parse_busy_ticks(_CPU_TIMES.read_text()) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return busy_s - own.user - own.system
