"""One row by a matrix of 8 bits: each code becomes a number by cutting it out of its word, which needs no conversion.

As in `int4_row` an exponent is put before a code, here one of 256, with the code in bits 15 to 22 of a float32. Its
sign is turned, so that the number is 384 + code. What is too much is taken off a thread's sum before that begins.
"""

import torch
import triton
import triton.language as tl

from service.engine.kernels.lone_rows import (
    LEAST_STEPS,
    NUM_WARPS,
    PROGRAMS_PER_PROCESSOR,
    floats,
    sums_of_2,
    takes_row,
    words_of,
)
from service.engine.kernels.splits import BLOCK_OUTPUTS, add_splits, new_sums, split_steps, store_sums

BYTES = 128
"""What a program reads of each output at once."""

EXPONENT = 0x43C00000
"""Of 256 in float32, and the bit that turns a code's sign. Given when the kernel is started, as in `int4_row`."""


def can_multiply(rows: torch.Tensor) -> bool:
    """Tells if the kernel multiplies such rows: one, of 16 bits, that fills whole steps."""
    return takes_row(rows, BYTES) and rows.shape[1] % BYTES == 0


def row_product(
    row: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, num_processors: int
) -> torch.Tensor:
    """Computes what `int8_product` does, for a row that `can_multiply` says yes to.

    Args:
        row: [1, inputs], contiguous, in float16 or bfloat16.
        weight, scale, bias: As `int8_product`'s.
        num_processors: How many multiprocessors the GPU has.

    Returns:
        [1, outputs] of the dtype of the row.
    """
    num_outputs, num_inputs = weight.shape
    num_blocks = triton.cdiv(num_outputs, BLOCK_OUTPUTS)
    num_splits, num_steps = split_steps(
        num_inputs // BYTES, num_blocks, num_processors, PROGRAMS_PER_PROCESSOR, LEAST_STEPS
    )
    sums = new_sums(row, num_outputs, num_splits)
    with torch.cuda.device_of(row):  # type: ignore[no-untyped-call]
        _multiply[(num_blocks, num_splits)](
            words_of(row),
            weight.view(torch.int64),
            scale,
            sums if bias is None else bias,
            sums,
            num_inputs // 8,
            num_outputs,
            num_steps,
            EXPONENT,
            HAS_BIAS=bias is not None and num_splits == 1,
            OUTPUTS=BLOCK_OUTPUTS,
            WORDS=BYTES // 8,
            IS_HALF=row.dtype is torch.float16,
            num_warps=NUM_WARPS,
        )
        return add_splits(sums, bias, row.dtype)


@triton.jit(do_not_specialize=["num_steps", "exponent"])
def _multiply(
    row,
    weight,
    scale,
    bias,
    output,
    num_words,
    num_outputs,
    num_steps,
    exponent,
    HAS_BIAS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    WORDS: tl.constexpr,
    IS_HALF: tl.constexpr,
):
    split = tl.program_id(1)
    column = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    # What is read for outputs that there are not is not stored; a mask would cost an instruction for each register.
    there = tl.minimum(column, num_outputs - 1)
    weight += there.to(tl.int64)[:, None] * num_words
    sums = tl.zeros([OUTPUTS, WORDS // 2], tl.float32)
    for step in range(split * num_steps, tl.minimum((split + 1) * num_steps, num_words // WORDS)):
        word = step * WORDS + tl.arange(0, WORDS)[None, :]
        codes = tl.load(weight + word)
        a, b, c, d = floats(tl.load(row + 2 * word), IS_HALF)
        e, f, g, h = floats(tl.load(row + 2 * word + 1), IS_HALF)
        inputs = ((a + b) + (c + d)) + ((e + f) + (g + h))
        products = _add_four(codes.to(tl.uint32), -384.0 * inputs, a, b, c, d, exponent)
        products = _add_four((codes >> 32).to(tl.uint32), products, e, f, g, h, exponent)
        sums += sums_of_2(products)
    sums *= tl.load(scale + there).to(tl.float32)[:, None]
    store_sums(sums, bias, output, column, split, 1, num_outputs, 1, HAS_BIAS)


@triton.jit
def _add_four(codes, sums, a, b, c, d, exponent):
    """Adds four inputs by the bytes of a word, each 384 too large."""
    sums += (((codes << 15) & 0x7F8000) ^ exponent).to(tl.float32, bitcast=True) * a
    sums += (((codes << 7) & 0x7F8000) ^ exponent).to(tl.float32, bitcast=True) * b
    sums += (((codes >> 1) & 0x7F8000) ^ exponent).to(tl.float32, bitcast=True) * c
    sums += (((codes >> 9) & 0x7F8000) ^ exponent).to(tl.float32, bitcast=True) * d
    return sums
