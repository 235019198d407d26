"""Rows by a matrix of 8 bits with one scale for each output. Reads 1 byte of a weight, once, for up to 64 rows.

A single row of 16 bits has a kernel of its own, `int8_row`.
"""

import torch
import triton
import triton.language as tl

from service.engine.kernels.int8_row import can_multiply, row_product
from service.engine.kernels.splits import (
    BLOCK_OUTPUTS,
    add_splits,
    block_options,
    multiply_block,
    new_sums,
    split_steps,
    store_sums,
)


def int8_product(
    rows: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, num_processors: int
) -> torch.Tensor:
    """Computes rows @ (scale * weight).t() + bias, with sums in float32.

    Args:
        rows: [1 to 64, inputs], contiguous, in float16, bfloat16 or float32.
        weight: int8 [outputs, inputs], contiguous.
        scale: [outputs, 1].
        bias: [outputs], or None.
        num_processors: How many multiprocessors the GPU has.

    Returns:
        [rows, outputs] of the dtype of the rows.
    """
    if can_multiply(rows):
        return row_product(rows, weight, scale, bias, num_processors)
    (num_rows, num_inputs), num_outputs = rows.shape, weight.shape[0]
    num_blocks = triton.cdiv(num_outputs, BLOCK_OUTPUTS)
    num_splits, num_steps = split_steps(triton.cdiv(num_inputs, inputs_per_step(rows)), num_blocks, num_processors)
    sums = new_sums(rows, num_outputs, num_splits)
    with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]
        _multiply[(num_blocks, num_splits)](
            rows,
            weight,
            scale,
            sums if bias is None else bias,
            sums,
            num_rows,
            num_inputs,
            num_outputs,
            num_steps,
            HAS_BIAS=bias is not None and num_splits == 1,
            INPUTS=inputs_per_step(rows),
            **block_options(rows),
        )
        return add_splits(sums, bias, rows.dtype)


def inputs_per_step(rows: torch.Tensor) -> int:
    """The bytes of each output that a program reads at once."""
    return 128 if rows.shape[0] == 1 or rows.element_size() == 2 else 64


@triton.jit(do_not_specialize=["num_rows", "num_steps"])
def _multiply(
    rows,
    weight,
    scale,
    bias,
    output,
    num_rows,
    num_inputs,
    num_outputs,
    num_steps,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    OPERAND: tl.constexpr,
):
    split = tl.program_id(1)
    column = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_column = column < num_outputs
    weight += column.to(tl.int64)[:, None] * num_inputs
    sums = tl.zeros([OUTPUTS, INPUTS // 16 if ROWS == 1 else ROWS], tl.float32)
    last = tl.minimum((split + 1) * num_steps, tl.cdiv(num_inputs, INPUTS))
    for step in range(split * num_steps, last):
        place = step * INPUTS + tl.arange(0, INPUTS)[None, :]
        is_place = place < num_inputs
        codes = tl.load(weight + place, mask=is_column[:, None] & is_place, other=0)
        sums += multiply_block(rows, place, is_place, codes, 0, num_rows, num_inputs, ROWS, False, OPERAND)
    sums *= tl.load(scale + column, mask=is_column, other=0).to(tl.float32)[:, None]
    store_sums(sums, bias, output, column, split, num_rows, num_outputs, ROWS, HAS_BIAS)
