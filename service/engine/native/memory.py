"""Memory for packed weights: zeros in huge pages, which are read faster than small ones."""

import mmap

import torch

_HUGE_PAGE_BYTES = 2 << 20
_CHUNK_BYTES = 32 << 20
_ALIGNMENT = 64


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
