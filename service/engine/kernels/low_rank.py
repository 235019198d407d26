"""Rows by the two low-rank matrices of the adapter that each uses, as S-LoRA and Punica group them (arXiv:2310.18547).

Rows of one adapter stand together in tiles. One kernel multiplies each tile by its adapter's first matrix, into memory
of its own. The other multiplies the result by the second matrix and adds it to the outputs. A row is in one tile at
most, so nothing is added atomically, and equal calls give equal bits.
"""

import torch
import triton
import triton.language as tl

BLOCK_OUTPUTS = 64
LEAST_RANK = 16
"""The fewest that tensor cores multiply by; smaller ranks are filled up with zeros."""


def add_low_rank(
    outputs: torch.Tensor,
    inputs: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    rows: torch.Tensor,
    adapters: torch.Tensor,
) -> None:
    """Adds (inputs @ first.t()) @ second.t() to the rows in tiles, each by its adapter, with sums in float32.

    Args:
        outputs: [N, outputs], in float16, bfloat16 or float32; its rows may be far apart.
        inputs: [N, inputs], of its dtype.
        first: [adapters, rank, inputs], contiguous.
        second: [adapters, outputs, rank], contiguous.
        rows: Places of rows, -1 for none, int32 [tiles, tile rows], contiguous.
        adapters: Each tile's, int32 [tiles].
    """
    (num_tiles, tile_rows), (_, rank, num_inputs), num_outputs = rows.shape, first.shape, second.shape[1]
    block_rank = max(LEAST_RANK, triton.next_power_of_2(rank))
    middle = inputs.new_empty((num_tiles, tile_rows, block_rank), dtype=torch.float32)
    operand = _operand(inputs)
    with torch.cuda.device_of(inputs):  # type: ignore[no-untyped-call]
        _shrink[(num_tiles,)](
            inputs,
            first,
            middle,
            rows,
            adapters,
            inputs.stride(0),
            num_inputs,
            rank,
            ROWS=tile_rows,
            RANK=block_rank,
            INPUTS=inputs_per_step(block_rank, inputs.element_size()),
            OPERAND=operand,
        )
        _expand[(num_tiles, triton.cdiv(num_outputs, BLOCK_OUTPUTS))](
            middle,
            second,
            outputs,
            rows,
            adapters,
            outputs.stride(0),
            num_outputs,
            rank,
            ROWS=tile_rows,
            RANK=block_rank,
            OUTPUTS=BLOCK_OUTPUTS,
            OPERAND=operand,
        )


def inputs_per_step(rank: int, element_size: int) -> int:
    """The inputs that a program of the first kernel multiplies at once: fewer where more would not fit."""
    return 64 if rank * element_size <= 512 else 32


def _operand(inputs: torch.Tensor) -> tl.dtype:
    """The factors of the product. Triton's interpreter, the only way on a CPU, has no products of bfloat16."""
    if inputs.dtype is torch.float32 or inputs.device.type == "cpu":
        return tl.float32
    return tl.float16 if inputs.dtype is torch.float16 else tl.bfloat16


@triton.jit(do_not_specialize=["rank"])
def _shrink(
    inputs,
    first,
    middle,
    rows,
    adapters,
    row_stride,
    num_inputs,
    rank,
    ROWS: tl.constexpr,
    RANK: tl.constexpr,
    INPUTS: tl.constexpr,
    OPERAND: tl.constexpr,
):
    tile = tl.program_id(0)
    row = tl.load(rows + tile * ROWS + tl.arange(0, ROWS))
    adapter = tl.load(adapters + tile).to(tl.int64)
    number = tl.arange(0, RANK)
    inputs += row.to(tl.int64)[:, None] * row_stride
    first += (adapter * rank + number)[None, :] * num_inputs
    sums = tl.zeros([ROWS, RANK], tl.float32)
    for start in range(0, num_inputs, INPUTS):
        place = start + tl.arange(0, INPUTS)
        is_place = place < num_inputs
        values = tl.load(inputs + place[None, :], mask=(row >= 0)[:, None] & is_place[None, :], other=0)
        weights = tl.load(first + place[:, None], mask=is_place[:, None] & (number < rank)[None, :], other=0)
        sums = tl.dot(values.to(OPERAND), weights.to(OPERAND), sums, input_precision="ieee")
    tl.store(middle + (tile * ROWS + tl.arange(0, ROWS))[:, None] * RANK + number[None, :], sums)


@triton.jit(do_not_specialize=["rank"])
def _expand(
    middle,
    second,
    outputs,
    rows,
    adapters,
    row_stride,
    num_outputs,
    rank,
    ROWS: tl.constexpr,
    RANK: tl.constexpr,
    OUTPUTS: tl.constexpr,
    OPERAND: tl.constexpr,
):
    tile = tl.program_id(0)
    row = tl.load(rows + tile * ROWS + tl.arange(0, ROWS))
    adapter = tl.load(adapters + tile).to(tl.int64)
    number = tl.arange(0, RANK)
    column = tl.program_id(1) * OUTPUTS + tl.arange(0, OUTPUTS)
    is_column = column < num_outputs
    weights = tl.load(
        second + (adapter * num_outputs + column)[None, :] * rank + number[:, None],
        mask=(number < rank)[:, None] & is_column[None, :],
        other=0,
    )
    values = tl.load(middle + (tile * ROWS + tl.arange(0, ROWS))[:, None] * RANK + number[None, :])
    product = tl.dot(values.to(OPERAND), weights.to(OPERAND), input_precision="ieee")
    outputs += row.to(tl.int64)[:, None] * row_stride + column[None, :]
    is_there = (row >= 0)[:, None] & is_column[None, :]
    tl.store(outputs, tl.load(outputs, mask=is_there, other=0).to(tl.float32) + product, mask=is_there)
