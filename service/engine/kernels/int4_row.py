"""One row by a matrix of 4 bits: each code becomes a number by cutting it out of its word, which needs no conversion.

A GPU converts integers at an eighth of the rate at which it adds: too slowly for its memory. So a code becomes a
float32 where it stands in its word of 32 bits: an exponent is put before it. Then bits 16 to 19 give 128 + code, bits
12 to 15 give 2048 + code. What is too much is taken off a thread's sum before that begins. Sums are rounded as numbers
of that size are, by 2 ** -13 of an input at a time: less than inputs of 16 bits are rounded by.
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
    words_of,
)
from service.engine.kernels.splits import BLOCK_OUTPUTS, add_splits, new_sums, split_steps, store_sums

EXPONENTS = (0x43000000, 0x45000000)
"""Of 128 and of 2048 in float32. Given when the kernel is started: constants take another instruction for each code."""


def row_product(
    row: torch.Tensor,
    codes: torch.Tensor,
    scales: torch.Tensor,
    zeros: torch.Tensor,
    bias: torch.Tensor | None,
    num_bytes_per_step: int,
    num_processors: int,
) -> torch.Tensor:
    """Computes what `int4_product` does, for a row that `takes_row` says yes to.

    Args:
        row: [1, inputs], contiguous, in float16 or bfloat16.
        codes, scales, zeros, bias: As `int4_product`'s.
        num_bytes_per_step: How many bytes of each output a program reads at once; a power of two that divides them all.
        num_processors: How many multiprocessors the GPU has.

    Returns:
        [1, outputs] of the dtype of the row.
    """
    num_outputs, num_bytes = codes.shape
    num_words, words_per_step = num_bytes // 8, num_bytes_per_step // 8
    num_blocks = triton.cdiv(num_outputs, BLOCK_OUTPUTS)
    num_splits, num_steps = split_steps(
        num_words // words_per_step, num_blocks, num_processors, PROGRAMS_PER_PROCESSOR, LEAST_STEPS
    )
    sums = new_sums(row, num_outputs, num_splits)
    with torch.cuda.device_of(row):  # type: ignore[no-untyped-call]
        _multiply[(num_blocks, num_splits)](
            words_of(row),
            codes.view(torch.int64),
            scales,
            zeros,
            sums if bias is None else bias,
            sums,
            num_words,
            num_outputs,
            num_steps,
            *EXPONENTS,
            HAS_BIAS=bias is not None and num_splits == 1,
            OUTPUTS=BLOCK_OUTPUTS,
            WORDS=words_per_step,
            GROUP=row.shape[1] // scales.shape[0] // 8,
            IS_HALF=row.dtype is torch.float16,
            num_warps=NUM_WARPS,
        )
        return add_splits(sums, bias, row.dtype)


@triton.jit(do_not_specialize=["num_steps", "low_exponent", "high_exponent"])
def _multiply(
    row,
    codes,
    scales,
    zeros,
    bias,
    output,
    num_words,
    num_outputs,
    num_steps,
    low_exponent,
    high_exponent,
    HAS_BIAS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    WORDS: tl.constexpr,
    GROUP: tl.constexpr,
    IS_HALF: tl.constexpr,
):
    split = tl.program_id(1)
    column = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    # What is read for outputs that there are not is not stored; a mask would cost an instruction for each register.
    there = tl.minimum(column, num_outputs - 1)
    codes += there.to(tl.int64)[:, None] * num_words
    sums = tl.zeros([OUTPUTS, WORDS // 2], tl.float32)
    for step in range(split * num_steps, tl.minimum((split + 1) * num_steps, num_words // WORDS)):
        word = step * WORDS + tl.arange(0, WORDS)[None, :]
        eight = tl.load(codes + word)
        first, second = eight.to(tl.uint32), (eight >> 32).to(tl.uint32)
        for half in tl.static_range(2):
            # A word of the row has four inputs, one of the codes eight in its low halves and eight in its high ones.
            place = 2 * (half * num_words + word)
            a, b, c, d = floats(tl.load(row + place), IS_HALF)
            e, f, g, h = floats(tl.load(row + place + 1), IS_HALF)
            inputs = ((a + b) + (c + d)) + ((e + f) + (g + h))
            if half:
                products = _high(first, -2048.0 * inputs, a, b, c, d, high_exponent)
                products = _high(second, products, e, f, g, h, high_exponent)
            else:
                products = _low(first, -128.0 * inputs, a, b, c, d, low_exponent)
                products = _low(second, products, e, f, g, h, low_exponent)
            group = (step * WORDS + half * num_words) // GROUP * num_outputs + there
            zero, scale = tl.load(zeros + group).to(tl.float32), tl.load(scales + group).to(tl.float32)
            sums += scale[:, None] * (sums_of_2(products) - zero[:, None] * sums_of_2(inputs))
    store_sums(sums, bias, output, column, split, 1, num_outputs, 1, HAS_BIAS)


@triton.jit
def _low(codes, sums, a, b, c, d, exponent):
    """Adds four inputs by the low halves of a word's bytes, each 128 too large."""
    turned = (codes << 16) | (codes >> 16)
    sums += ((turned & 0xF0000) | exponent).to(tl.float32, bitcast=True) * a
    sums += (((codes << 8) & 0xF0000) | exponent).to(tl.float32, bitcast=True) * b
    sums += ((codes & 0xF0000) | exponent).to(tl.float32, bitcast=True) * c
    sums += (((codes >> 8) & 0xF0000) | exponent).to(tl.float32, bitcast=True) * d
    return sums


@triton.jit
def _high(codes, sums, a, b, c, d, exponent):
    """Adds four inputs by the high halves of a word's bytes, each 2048 too large."""
    turned = (codes << 16) | (codes >> 16)
    sums += (((codes << 8) & 0xF000) | exponent).to(tl.float32, bitcast=True) * a
    sums += ((codes & 0xF000) | exponent).to(tl.float32, bitcast=True) * b
    sums += (((codes >> 8) & 0xF000) | exponent).to(tl.float32, bitcast=True) * c
    sums += ((turned & 0xF000) | exponent).to(tl.float32, bitcast=True) * d
    return sums
