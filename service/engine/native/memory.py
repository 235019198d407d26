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
        self._chunk, self._used = torch.empty(0, dtype=torch.uint8), 0

    def zeros(self, num_bytes: int) -> torch.Tensor:
        """Zeros, uint8 [num_bytes], whose address is a multiple of 64."""
        if num_bytes > self._chunk.numel() - self._used:
            self._chunk, self._used = _chunk(max(num_bytes, _CHUNK_BYTES)), 0
        start = self._used
        self._used = -(-(start + num_bytes) // _ALIGNMENT) * _ALIGNMENT
        return self._chunk[start : start + num_bytes]


def _chunk(num_bytes: int) -> torch.Tensor:
    mapped = mmap.mmap(-1, num_bytes + _HUGE_PAGE_BYTES)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        mapped.madvise(mmap.MADV_HUGEPAGE)
    tensor = torch.frombuffer(mapped, dtype=torch.uint8)
    start = -tensor.data_ptr() % _HUGE_PAGE_BYTES
    return tensor[start : start + num_bytes]
