"""Rows by a matrix of 4 bits whose inputs share scale and zero in groups.

Reads half a byte of a weight, once, for up to 64 rows, and a scale and a zero of 2 bytes each for a group: 0.53 bytes
of a weight in groups of 128, 0.63 in groups of 32. A single row of 16 bits has a kernel of its own, `int4_row`.
"""

import math

import torch
import triton
import triton.language as tl

from service.engine.kernels.int4_row import row_product
from service.engine.kernels.lone_rows import takes_row
from service.engine.kernels.splits import (
    BLOCK_OUTPUTS,
    add_splits,
    block_options,
    multiply_block,
    new_sums,
    split_steps,
    store_sums,
)

_LEAST_BYTES = 16


def int4_product(
    rows: torch.Tensor,
    codes: torch.Tensor,
    scales: torch.Tensor,
    zeros: torch.Tensor,
    bias: torch.Tensor | None,
    num_processors: int,
) -> torch.Tensor:
    """Computes rows @ (scales * (codes - zeros)).t() + bias, with sums in float32.

    Args:
        rows: [1 to 64, inputs], contiguous, in float16, bfloat16 or float32.
        codes: uint8 [outputs, inputs / 2], contiguous: byte i of a row has the code of input i in its low half and
            that of input (inputs / 2 + i) in its high one.
        scales, zeros: [groups, outputs], contiguous. Groups must be such that `can_multiply` says yes.
        bias: [outputs], or None.
        num_processors: How many multiprocessors the GPU has.

    Returns:
        [rows, outputs] of the dtype of the rows.
    """
    (num_rows, num_inputs), num_outputs = rows.shape, codes.shape[0]
    group_size = num_inputs // scales.shape[0]
    num_bytes = bytes_per_step(rows, group_size)
    if num_inputs // 2 % num_bytes == 0 and takes_row(rows, num_bytes):
        return row_product(rows, codes, scales, zeros, bias, num_bytes, num_processors)
    num_blocks = triton.cdiv(num_outputs, BLOCK_OUTPUTS)
    num_splits, num_steps = split_steps(triton.cdiv(num_inputs // 2, num_bytes), num_blocks, num_processors)
    sums = new_sums(rows, num_outputs, num_splits)
    with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
        _multiply[(num_blocks, num_splits)](
            rows,
            codes,
            scales,
            zeros,
            sums if bias is None else bias,
            sums,
            num_rows,
            num_inputs // 2,
            num_outputs,
            group_size,
            num_steps,
            HAS_BIAS=bias is not None and num_splits == 1,
            BYTES=num_bytes,
            **block_options(rows),
        )
        return add_splits(sums, bias, rows.dtype)


def bytes_per_step(rows: torch.Tensor, group_size: int) -> int:
    """The bytes of each output that a program reads at once."""
    return min(128 if rows.shape[0] == 1 else 64, _bytes_within_groups(rows.shape[1], group_size))


def can_multiply(num_inputs: int, group_size: int) -> bool:
    """Tells if a matrix has an even number of inputs and its groups are made of whole steps of the kernel."""
    return num_inputs % 2 == 0 and _bytes_within_groups(num_inputs, group_size) >= _LEAST_BYTES


def _bytes_within_groups(num_inputs: int, group_size: int) -> int:
    """The most bytes, as a power of two, of which neither the low nor the high halves reach into another group."""
    if group_size == num_inputs:
        return 1 << num_inputs.bit_length()
    common = math.gcd(num_inputs // 2, group_size)
    return common & -common


@triton.jit(do_not_specialize=["num_rows", "num_steps"])
def _multiply(
    rows,
    codes,
    scales,
    zeros,
    bias,
    output,
    num_rows,
    num_bytes,
    num_outputs,
    group_size,
    num_steps,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    BYTES: tl.constexpr,
    OPERAND: tl.constexpr,
):
    split = tl.program_id(1)
    column = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_column = column < num_outputs
    codes += column.to(tl.int64)[:, None] * num_bytes
    sums = tl.zeros([OUTPUTS, BYTES // 16 if ROWS == 1 else ROWS], tl.float32)
    last = tl.minimum((split + 1) * num_steps, tl.cdiv(num_bytes, BYTES))
    for step in range(split * num_steps, last):
        place = step * BYTES + tl.arange(0, BYTES)[None, :]
        is_place = place < num_bytes
        pairs = tl.load(codes + place, mask=is_column[:, None] & is_place, other=0)
        for half in tl.static_range(2):
            first = half * num_bytes + step * BYTES
            group = first // group_size * num_outputs + column
            zero = tl.load(zeros + group, mask=is_column, other=0).to(tl.float32)
            scale = tl.load(scales + group, mask=is_column, other=0).to(tl.float32)
            half_codes = (pairs >> 4 if half else pairs & 15).to(tl.int8)
            sums += scale[:, None] * multiply_block(
                rows + half * num_bytes, place, is_place, half_codes, zero, num_rows, 2 * num_bytes, ROWS, True, OPERAND
            )
    store_sums(sums, bias, output, column, split, num_rows, num_outputs, ROWS, HAS_BIAS)
