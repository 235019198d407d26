"""The host's memory: zeros in huge pages, which are read faster than small ones, and what is given back."""

import ctypes
import mmap
from pathlib import Path

import torch

_HUGE_PAGE_BYTES = 2 << 20
_CHUNK_BYTES = 32 << 20
_ALIGNMENT = 64
_MAPS = Path("/proc/self/maps")


class Chunks:
    """Memory that is taken from the host in chunks, so that small matrices share huge pages.

    A chunk goes back to the host when no tensor in it is left. What was never written takes no memory.
    """

    def __init__(self) -> None:
        self._chunk: mmap.mmap | None = None
        self._next = self._end = 0

    def zeros(self, num_bytes: int) -> torch.Tensor:
        """Zeros, uint8 [num_bytes], whose address is a multiple of 64."""
        if num_bytes == 0:
            return torch.empty(0, dtype=torch.uint8)
        if self._chunk is None or self._next + num_bytes > self._end:
            self._chunk, self._next = _chunk(max(num_bytes, _CHUNK_BYTES))
            self._end = len(self._chunk)
        start, self._next = self._next, self._next + -(-num_bytes // _ALIGNMENT) * _ALIGNMENT
        return torch.frombuffer(self._chunk, dtype=torch.uint8, offset=start, count=num_bytes)


def _chunk(num_bytes: int) -> tuple[mmap.mmap, int]:
    """New memory, and where its first huge page begins."""
    # Shared memory, which is the default, would have no huge pages.
    chunk = mmap.mmap(-1, num_bytes + _HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        chunk.madvise(mmap.MADV_HUGEPAGE)
    address = torch.frombuffer(chunk, dtype=torch.uint8).data_ptr()
    return chunk, -address % _HUGE_PAGE_BYTES


def let_go(tensor: torch.Tensor) -> None:
    """Takes a tensor out of this process's memory if it is mapped from a file, from which it is read again if need be.

    Args:
        tensor: One that nobody has written to.
    """
    begin, end = _whole_pages(tensor)
    if begin < end and any(start <= begin and end <= stop for start, stop in _mapped_files()):
        ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def trim_heap() -> None:
    """Gives what is free in the heap back to the host, where the C library can."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(ctypes.c_size_t(0))


def _whole_pages(tensor: torch.Tensor) -> tuple[int, int]:
    """The addresses of the first page that lies within a tensor, and of the end of the last."""
    page, begin = mmap.PAGESIZE, tensor.data_ptr()
    return -(-begin // page) * page, (begin + tensor.nbytes) // page * page


def _mapped_files() -> list[tuple[int, int]]:
    """Where files are mapped as proc(5) tells, and whoever writes gets a copy; nothing on other systems."""
    if not _MAPS.exists():
        return []
    entries = [line.split(maxsplit=5) for line in _MAPS.read_text().splitlines()]
    places = [entry[0].split("-") for entry in entries if entry[1].endswith("p") and entry[4] != "0"]
    return [(int(start, 16), int(stop, 16)) for start, stop in places]
