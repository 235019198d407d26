"""Matrices in plain numbers, of 8-bit floats with scales and of bitsandbytes' 4 bits, by their published layouts.

bitsandbytes' is that of its `QuantState`: weights in the order of the matrix, two to a byte, the first in the higher
half. Each is the place of its level in `quant_map`, times the largest weight of its block (`absmax`). With double
quantization these are in 8 bits themselves, places in `nested_quant_map`, with an offset and scales of their own.
"""

import json
from dataclasses import dataclass

import torch

from service.checkpoints.errors import CheckpointError

_MAX_STATE_BYTES = 4096
_NUM_LEVELS = 16
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class _QuantState:
    """The content of `quant_state`: sizes of blocks, shape and type of the matrix, and what `absmax` has added."""

    blocksize: int
    shape: list[int]
    dtype: str
    nested_blocksize: int = 0
    nested_offset: float = 0.0


def float8_matrix(weight: torch.Tensor, scale: torch.Tensor | None, blocks: frozenset[tuple[int, int]]) -> torch.Tensor:
    """The matrix of 8-bit floats.

    Args:
        weight: [outputs, inputs].
        scale: One, [outputs, 1], or one for each block; what an element of it is multiplied with.
        blocks: The sizes that blocks may have.

    Returns:
        [outputs, inputs], in the type of the scales, or in float32 if they have blocks; as transformers computes it.
    """
    assert scale is not None, "its place has looked"
    if scale.numel() == 1:
        return weight.to(_plain(scale)) * scale.reshape(()).to(_plain(scale))
    rows, columns = weight.shape
    if scale.numel() == rows:
        return weight.to(_plain(scale)) * scale.reshape(rows, 1).to(_plain(scale))
    high, wide = next(it for it in blocks if scale.shape == (-(-rows // it[0]), -(-columns // it[1])))
    by_row, matrix = scale.float().repeat_interleave(high, dim=0)[:rows], weight.float()
    if columns % wide:
        return matrix.mul_(by_row.repeat_interleave(wide, dim=1)[:, :columns])
    matrix.view(rows, -1, wide).mul_(by_row[:, :, None])
    return matrix


def levels_of(
    absmax: torch.Tensor, nested_absmax: torch.Tensor | None, nested_map: torch.Tensor | None, state: torch.Tensor
) -> torch.Tensor:
    """The largest weight of each block, float32 [blocks].

    Args:
        absmax: These; with double quantization the places of their levels, uint8.
        nested_absmax: The scales of blocks of them, float32; None if they are plain.
        nested_map: Their levels, float32 [256]; None if they are plain.
        state: The bytes of `quant_state`.

    Raises:
        CheckpointError: They don't belong together.
    """
    if nested_absmax is None or nested_map is None:
        if not absmax.is_floating_point():
            raise CheckpointError("absmax is quantized, and nested_absmax or nested_quant_map is missing")
        return absmax.float()
    known = _read_state(state)
    size = known.nested_blocksize
    if size < 1 or absmax.dtype is not torch.uint8 or nested_map.numel() != 256:
        raise CheckpointError("the tensors of a double quantization by bitsandbytes don't belong together")
    if nested_absmax.numel() != -(-absmax.numel() // size):
        raise CheckpointError(
            f"nested_absmax has {nested_absmax.numel()} scales for {absmax.numel()} in blocks of {size}"
        )
    scales = nested_absmax.float().repeat_interleave(size)[: absmax.numel()]
    return nested_map.float()[absmax.int()] * scales + known.nested_offset


def bnb_4bit_matrix(
    weight: torch.Tensor, levels: torch.Tensor, quant_map: torch.Tensor, state: torch.Tensor, shape: torch.Size
) -> torch.Tensor:
    """The matrix of bitsandbytes' 4 bits.

    Args:
        weight: Two codes in each byte, uint8 [weights / 2, 1].
        levels: The largest weight of each block, float32 [blocks].
        quant_map: What each code stands for, float32 [16].
        state: The bytes of `quant_state`.
        shape: The layer's outputs and inputs.

    Returns:
        `shape`, in the type in which it was quantized.

    Raises:
        CheckpointError: They don't belong together.
    """
    known, num_weights = _read_state(state), shape.numel()
    if known.shape != list(shape):
        raise CheckpointError(f"quant_state is that of a matrix of {known.shape}, not of {list(shape)}")
    if known.blocksize < 1 or levels.numel() != -(-num_weights // known.blocksize) or quant_map.numel() != _NUM_LEVELS:
        raise CheckpointError(f"absmax has {levels.numel()} numbers for blocks of {known.blocksize}")
    if known.dtype not in _DTYPES:
        raise CheckpointError(f"quant_state is that of a matrix of {known.dtype}; expected one of {', '.join(_DTYPES)}")
    if weight.dtype is not torch.uint8:
        raise CheckpointError("4-bit weights of bitsandbytes are read from bytes only: bnb_4bit_quant_storage is uint8")
    places = torch.arange(256, device=weight.device)
    pairs = quant_map.float()[torch.stack((places >> 4, places & 15), dim=1)]  # of each byte, so that it is read once
    numbers = pairs.index_select(0, weight.flatten().int()).flatten()[:num_weights]
    if num_weights % known.blocksize:
        numbers.mul_(levels.repeat_interleave(known.blocksize)[:num_weights])
    else:
        numbers.view(-1, known.blocksize).mul_(levels[:, None])
    return numbers.to(_DTYPES[known.dtype]).view(shape)


def _read_state(state: torch.Tensor) -> _QuantState:
    if state.dtype is not torch.uint8 or state.numel() > _MAX_STATE_BYTES:
        raise CheckpointError("quant_state is no short text")
    try:
        said = json.loads(bytes(state.tolist()))
        return _QuantState(
            int(said["blocksize"]),
            [int(size) for size in said["shape"]],
            str(said["dtype"]),
            int(said.get("nested_blocksize", 0)),
            float(said.get("nested_offset", 0.0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"quant_state can't be read: {error!r}") from error


def _plain(scale: torch.Tensor) -> torch.dtype:
    """The dtype to multiply in: the scales' type, if it has more bits than what they scale."""
    return scale.dtype if scale.dtype.itemsize > 1 else torch.float32
