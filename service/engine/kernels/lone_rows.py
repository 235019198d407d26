"""Parts that the kernels for one row of 16 bits share."""

import torch
import triton
import triton.language as tl

LEAST_BYTES = 16
"""What a thread reads of an output at once."""

PROGRAMS_PER_PROCESSOR = 8
LEAST_STEPS = 1
"""A step reads 8 KiB of codes and a split writes 256 bytes of sums."""

NUM_WARPS = 2
"""A thread has eight outputs then, which share the inputs that it has read."""


def takes_row(rows: torch.Tensor, num_bytes_per_step: int) -> bool:
    """Tells if the kernels multiply such rows by codes of which so many bytes of an output have one scale."""
    return rows.shape[0] == 1 and rows.element_size() == 2 and num_bytes_per_step % LEAST_BYTES == 0


def words_of(row: torch.Tensor) -> torch.Tensor:
    """A row [1, inputs] in words of 64 bits, in memory of its own if it does not stand where these can be read."""
    return (row if row.data_ptr() % 16 == 0 else row.clone()).view(torch.int64)


@triton.jit
def floats(words, IS_HALF: tl.constexpr):
    """Four numbers of 16 bits in each word of 64, as float32."""
    first, second = words.to(tl.uint32), (words >> 32).to(tl.uint32)
    return _lower(first, IS_HALF), _upper(first, IS_HALF), _lower(second, IS_HALF), _upper(second, IS_HALF)


@triton.jit
def sums_of_2(numbers):
    """[N, K] to [N, K / 2]: of what one thread has."""
    return tl.sum(tl.reshape(numbers, (numbers.shape[0], numbers.shape[1] // 2, 2)), axis=2)


@triton.jit
def _lower(words, IS_HALF: tl.constexpr):
    if IS_HALF:
        return words.to(tl.uint16).to(tl.float16, bitcast=True).to(tl.float32)
    return (words << 16).to(tl.float32, bitcast=True)


@triton.jit
def _upper(words, IS_HALF: tl.constexpr):
    if IS_HALF:
        return (words >> 16).to(tl.uint16).to(tl.float16, bitcast=True).to(tl.float32)
    return (words & 0xFFFF0000).to(tl.float32, bitcast=True)
