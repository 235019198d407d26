"""One row by a matrix of 4 bits: each code becomes a number by cutting it out of its word, which needs no conversion.

A GPU converts integers at an eighth of the rate at which it adds: too slowly for its memory. So a code becomes a
float32 where it stands in its word of 32 bits: an exponent is put before it. Then bits 16 to 19 give 128 + code, bits
12 to 15 give 2048 + code. What is too much is taken off a thread's sum before that begins. Sums are rounded as numbers
of that size are, by 2 ** -13 of an input at a time: less than inputs of 16 bits are rounded by.
"""

import torch
import triton
import triton.language as tl

from service.engine.kernels.splits import BLOCK_OUTPUTS, add_splits, new_sums, split_steps, store_sums

_LEAST_BYTES = 16
"""What a thread reads of an output at once."""

_PROGRAMS_PER_PROCESSOR = 8
_LEAST_STEPS = 1
"""A step reads 8 KiB of codes and a split writes 256 bytes of sums."""

NUM_WARPS = 2
"""A thread has eight outputs then, which share the inputs that it has read."""

EXPONENTS = (0x43000000, 0x45000000)
"""Of 128 and of 2048 in float32. Given when the kernel is started: constants take another instruction for each code."""


def takes_row(rows: torch.Tensor, num_bytes_per_step: int) -> bool:
    """Tells if the kernel multiplies such rows by codes of which so many bytes of an output have one scale."""
    return rows.shape[0] == 1 and rows.element_size() == 2 and num_bytes_per_step % _LEAST_BYTES == 0


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
        num_words // words_per_step, num_blocks, num_processors, _PROGRAMS_PER_PROCESSOR, _LEAST_STEPS
    )
    sums = new_sums(row, num_outputs, num_splits)
    aligned = row if row.data_ptr() % 16 == 0 else row.clone()
    with torch.cuda.device_of(row):  # type: ignore[no-untyped-call]
        _multiply[(num_blocks, num_splits)](
            aligned.view(torch.int64),
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
            a, b, c, d = _floats(tl.load(row + place), IS_HALF)
            e, f, g, h = _floats(tl.load(row + place + 1), IS_HALF)
            inputs = ((a + b) + (c + d)) + ((e + f) + (g + h))
            if half:
                products = _high(first, -2048.0 * inputs, a, b, c, d, high_exponent)
                products = _high(second, products, e, f, g, h, high_exponent)
            else:
                products = _low(first, -128.0 * inputs, a, b, c, d, low_exponent)
                products = _low(second, products, e, f, g, h, low_exponent)
            group = (step * WORDS + half * num_words) // GROUP * num_outputs + there
            zero, scale = tl.load(zeros + group).to(tl.float32), tl.load(scales + group).to(tl.float32)
            sums += scale[:, None] * (_sums_of_2(products) - zero[:, None] * _sums_of_2(inputs))
    store_sums(sums, bias, output, column, split, 1, num_outputs, 1, HAS_BIAS)


@triton.jit
def _floats(words, IS_HALF: tl.constexpr):
    """Four numbers of 16 bits in each word of 64, as float32."""
    first, second = words.to(tl.uint32), (words >> 32).to(tl.uint32)
    return _lower(first, IS_HALF), _upper(first, IS_HALF), _lower(second, IS_HALF), _upper(second, IS_HALF)


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


@triton.jit
def _sums_of_2(numbers):
    """[N, K] to [N, K / 2]: of what one thread has."""
    return tl.sum(tl.reshape(numbers, (numbers.shape[0], numbers.shape[1] // 2, 2)), axis=2)
