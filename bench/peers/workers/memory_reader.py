"""Reads memory, and so measures what bounds decoding: how fast one thread reads.

It answers any request with the times of reading a large array a few times.
"""

import ctypes
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.peers.workers.loop import Times, work

NUM_BYTES: Final = 256 << 20
_NUM_READS: Final = 5
_LINE: Final = 64
# Streams, and the bytes of each that are read in turn. AMD's Zen 4 is fastest at the first, Zen 3 at the last three.
_WAYS: Final = ((8, 2048), (1, 2048), (4, 64), (4, 256), (8, 64))
_SOURCE: Final = Path(__file__).parents[1] / "read_bandwidth.cpp"
_COMPILERS: Final = ("g++", "clang++", "c++")


def compiled_read() -> Callable[[int, int, int, int], int] | None:
    """The compiled loop; None without a C++ compiler.

    It is called with an address, a number of 64-bit numbers, and of streams, and how many of each are read in turn.
    """
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "read_bandwidth.so"
        flags = ["-O3", "-march=native", "-shared", "-fPIC", "-o", str(library)]
        subprocess.run([compiler, *flags, str(_SOURCE)], check=True)
        read: Any = ctypes.CDLL(str(library)).read_numbers
    read.argtypes, read.restype = (ctypes.c_void_p, *3 * (ctypes.c_size_t,)), ctypes.c_uint64
    return read


class MemoryReader:
    """The compiled loop, in the way that is fastest; where there is no compiler numpy's sum, which reads less."""

    def __init__(self, options: dict[str, Any]) -> None:
        import numpy

        numbers = numpy.ones((NUM_BYTES + _LINE) // 8, dtype=numpy.uint64)
        # Vectors that cross a line are read at two thirds of the rate on Zen 3.
        first = -numbers.ctypes.data % _LINE // 8
        self._numbers = numbers[first : first + NUM_BYTES // 8]
        self._read = compiled_read()
        if self._read is None:
            print("no C++ compiler: the bandwidth is that of numpy's sum, and too low", file=sys.stderr)

    def generate(self, prompts: list[list[int]], num_new_tokens: int) -> Times:
        """Reads; gives the times of reading all numbers, in seconds, of the way that takes the least."""
        if self._read is None:
            return [[_time_s(self._numbers.sum) for _ in range(_NUM_READS)]]
        args = self._numbers.ctypes.data, self._numbers.size
        reads = [partial(self._read, *args, streams, turn // 8) for streams, turn in _WAYS]
        return [min(([_time_s(read) for _ in range(_NUM_READS)] for read in reads), key=statistics.median)]


def _time_s(read: Callable[[], object]) -> float:
    begun_at = time.perf_counter()
    read()
    return time.perf_counter() - begun_at


if __name__ == "__main__":
    work(MemoryReader)
