"""Parts that the kernels of packed weights share: a matrix's inputs are split among programs, and the sums added up.

4096 x 4096 weights have only 64 blocks of 64 outputs, fewer than a large GPU has multiprocessors. Where to split
depends on the matrix and the GPU, never on how many rows there are, and the parts are added in one order. So the same
call gives the same bits, and a row's sums are cut alike in any company of 2 to 64 rows. A row alone is added up in
another order.
"""

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK_OUTPUTS = 64
"""The outputs that a program computes: the fewest that Hopper's tensor cores multiply by at once."""

_PROGRAMS_PER_PROCESSOR = 4
"""Each has 8 KiB of weights under way; by Little's law 4.8 TB/s and 0.7 us of latency ask for 25 KiB each processor."""

_LEAST_STEPS = 2
"""A split of fewer would write nearly as many sums as it reads weights."""

_SUM_BLOCK = 1024


def split_steps(
    num_steps: int,
    num_blocks: int,
    num_processors: int,
    programs_per_processor: int = _PROGRAMS_PER_PROCESSOR,
    least_steps: int = _LEAST_STEPS,
) -> tuple[int, int]:
    """Splits the steps that a block of outputs takes over its inputs.

    Args:
        num_steps: How many there are.
        num_blocks: How many blocks of outputs.
        num_processors: How many multiprocessors the GPU has.
        programs_per_processor: How many programs each of these is to have.
        least_steps: The fewest steps of a split.

    Returns:
        How many splits, and how many steps each but the last has. None is empty.
    """
    wanted = max(1, programs_per_processor * num_processors // num_blocks)
    steps = max(least_steps, -(-num_steps // wanted))
    return -(-num_steps // steps), steps


def new_sums(rows: torch.Tensor, num_outputs: int, num_splits: int) -> torch.Tensor:
    """A tensor for a kernel to store: the output, or one part for each split in float32; [splits, rows, outputs]."""
    return rows.new_empty((num_splits, rows.shape[0], num_outputs), dtype=None if num_splits == 1 else torch.float32)


def add_splits(sums: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    """Adds up what `store_sums` has stored, [splits, rows, outputs], to the output, [rows, outputs] of `dtype`."""
    num_splits, num_rows, num_outputs = sums.shape
    if num_splits == 1:
        return sums[0]
    output = sums.new_empty((num_rows, num_outputs), dtype=dtype)
    size = num_rows * num_outputs
    _add_splits[(triton.cdiv(size, _SUM_BLOCK),)](
        sums,
        sums if bias is None else bias,
        output,
        size,
        num_outputs,
        num_splits,
        HAS_BIAS=bias is not None,
        BLOCK=_SUM_BLOCK,
    )
    return output


@triton.jit(do_not_specialize=["size"])
def _add_splits(sums, bias, output, size, num_outputs, num_splits, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr):
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    is_place = place < size
    total = tl.zeros([BLOCK], tl.float32)
    for split in range(num_splits):
        total += tl.load(sums + tl.cast(split, tl.int64) * size + place, mask=is_place, other=0)
    if HAS_BIAS:
        total += tl.load(bias + place % num_outputs, mask=is_place, other=0).to(tl.float32)
    tl.store(output + place, total, mask=is_place)


@triton.jit
def store_sums(sums, bias, output, column, split, num_rows, num_outputs, ROWS: tl.constexpr, HAS_BIAS: tl.constexpr):
    """Stores what `multiply_block` gave in all of a split's steps; with the bias, if there is only this split."""
    row = tl.arange(0, ROWS)[None, :]
    if ROWS == 1:
        sums = tl.sum(sums, axis=1)[:, None]
    is_column = column < num_outputs
    if HAS_BIAS:
        sums += tl.load(bias + column, mask=is_column, other=0).to(tl.float32)[:, None]
    place = (split.to(tl.int64) * num_rows + row) * num_outputs + column[:, None]
    tl.store(output + place, sums, mask=(row < num_rows) & is_column[:, None])


@triton.jit
def multiply_block(
    rows,
    place,
    is_place,
    codes,
    zeros,
    num_rows,
    num_inputs,
    ROWS: tl.constexpr,
    HAS_ZEROS: tl.constexpr,
    OPERAND: tl.constexpr,
):
    """(codes [N, K] - zeros [N]) times rows [R, K], in float32: [N, R], or for one row parts of its sums, [N, K / 16].

    A zero is taken off a sum, once, instead of off every code. A single row is multiplied without tensor cores, and a
    thread adds up what it has read itself: that takes fewer instructions. `store_sums` adds the parts up.
    """
    row = tl.arange(0, ROWS)[:, None]
    inputs = tl.load(rows + row * num_inputs + place, mask=is_place & (row < num_rows), other=0)
    if ROWS == 1:
        inputs = inputs.to(tl.float32)
        sums = _sums_of_16(inputs * codes.to(tl.float32))
    else:
        inputs = inputs.to(OPERAND)
        sums = tl.dot(codes.to(OPERAND), tl.trans(inputs), input_precision="ieee")
    if HAS_ZEROS:
        if ROWS == 1:
            sums -= zeros[:, None] * _sums_of_16(inputs)
        else:
            sums -= zeros[:, None] * tl.sum(inputs.to(tl.float32), axis=1)[None, :]
    return sums


@triton.jit
def _sums_of_16(numbers):
    """[N, K] to [N, K / 16]."""
    return tl.sum(tl.reshape(numbers, (numbers.shape[0], numbers.shape[1] // 16, 16)), axis=2)


def block_options(rows: torch.Tensor) -> dict[str, Any]:
    """Options to compile a kernel for rows [1 to 64, inputs].

    It computes one row, or as many as tensor cores take. With 8 warps the compiler lets a lone row's inputs follow the
    codes through the threads, not the other way round. Triton's interpreter, the only way on a CPU, has no products of
    bfloat16.
    """
    num_rows = rows.shape[0]
    is_exact = rows.dtype is torch.float32 or rows.device.type == "cpu"
    return {
        "ROWS": 1 if num_rows == 1 else max(16, 1 << (num_rows - 1).bit_length()),
        "OUTPUTS": BLOCK_OUTPUTS,
        "OPERAND": tl.float32 if is_exact else tl.float16 if rows.dtype is torch.float16 else tl.bfloat16,
        "num_warps": 8 if num_rows == 1 else 4,
    }
