"""Reads memory, and so measures what bounds decoding: how fast one thread reads.

It answers any request with the times of reading a large array a few times.
"""

import ctypes
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.peers.workers.loop import Times, work

NUM_BYTES: Final = 256 << 20
_NUM_READS: Final = 5
_SOURCE: Final = Path(__file__).parents[1] / "read_bandwidth.cpp"
_COMPILERS: Final = ("g++", "clang++", "c++")


def compiled_read() -> Callable[[int, int], int] | None:
    """The compiled loop, called with an address and a number of 64-bit numbers; None without a C++ compiler."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "read_bandwidth.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC", "-o", str(library)]
        subprocess.run([compiler, *flags, str(_SOURCE)], check=True)
        read: Any = ctypes.CDLL(str(library)).read_numbers
    read.argtypes, read.restype = (ctypes.c_void_p, ctypes.c_size_t), ctypes.c_uint64
    return read


class MemoryReader:
    """The compiled loop, or where there is no compiler numpy's sum, which reads less."""

    def __init__(self, options: dict[str, Any]) -> None:
        import numpy

        self._numbers = numpy.ones(NUM_BYTES // 8, dtype=numpy.uint64)
        self._read = compiled_read()
        if self._read is None:
            print("no C++ compiler: the bandwidth is that of numpy's sum, and too low", file=sys.stderr)

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Reads; gives the time of each reading, in seconds."""
        return [[self._timed_s() for _ in range(_NUM_READS)]]

    def _timed_s(self) -> float:
        begun_at = time.perf_counter()
        if self._read is None:
            self._numbers.sum()
        else:
            self._read(self._numbers.ctypes.data, self._numbers.size)
        return time.perf_counter() - begun_at


if __name__ == "__main__":
    work(MemoryReader)
