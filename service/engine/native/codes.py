"""Matrices of codes of 8 or 4 bits packed for the compiled products."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch

from service.engine.native.library import Fields, Library
from service.engine.native.matrix import LANES, Format, Matrix, chunks, padded

_PAIR = 8
"""Inputs of a group are padded to a multiple of it."""

_OFFSET_ERROR = 2.0**-20
"""The relative difference up to which an offset computed in float32 is the float16 number that a file has."""


class ZeroType(IntEnum):
    """How is kept which code stands for 0; src/matrix.h tells more."""

    CENTRE = 0
    BYTES = 1
    OFFSETS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """A matrix whose weights share scale and zero in groups of inputs: weight = scale * (code - zero).

    Attributes:
        codes: uint8 [outputs, inputs], below 2 ** bits.
        scales: [outputs, groups].
        zeros: The same; None if all are 2 ** (bits - 1).
        bits: 4 or 8.
        bias: [outputs], or None.
        order: Which input each column of `codes` is for, int64 [inputs]; None if they are in order.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    zeros: torch.Tensor | None
    bits: int
    bias: torch.Tensor | None = None
    order: torch.Tensor | None = None


def format_of_codes(dtype: torch.dtype, has_int8_rows: bool = False) -> Format | None:
    """The arithmetic in which rows of a dtype are multiplied by codes; None if there is none.

    Args:
        dtype: The rows'.
        has_int8_rows: Whether those of 16 bits are rounded to 8.
    """
    if dtype is torch.float32:
        return Format.CODES_FLOAT32
    if dtype not in (torch.bfloat16, torch.float16):
        return None
    return Format.CODES_INT8 if has_int8_rows else Format.CODES_INT16


class CodesMatrix(Matrix):
    """A packed matrix of codes, with what its memory holds.

    Args:
        library: The compiled code.
        fields: Its sizes and kinds, without addresses.
        panels, scales, zeros: uint8, as src/matrix.h lays them out; `zeros` of no elements if none are stored.
        bias: [outputs], or None.
        order: int32 [inputs], or None.
    """

    def __init__(
        self,
        library: Library,
        fields: Fields,
        panels: torch.Tensor,
        scales: torch.Tensor,
        zeros: torch.Tensor,
        bias: torch.Tensor | None,
        order: torch.Tensor | None,
    ) -> None:
        self.parts, self.bias, self.order = (panels, scales, zeros), bias, order
        kept = list(self.parts)
        fields.panels, fields.scales = panels.data_ptr(), scales.data_ptr()
        fields.zeros = zeros.data_ptr() if zeros.numel() else None
        if bias is not None:
            kept.append(padded(bias.float(), -(-fields.outputs // LANES) * LANES))
            fields.bias = kept[-1].data_ptr()
        if order is not None:
            kept.append(order)
            fields.order = order.data_ptr()
        super().__init__(library, fields, kept)

    @property
    def kind(self) -> tuple[int, ...]:
        """What two matrices must share to become one."""
        it = self.fields
        return it.format, it.bits, it.inputs, it.group_size, it.has_half_scales, it.zero_type


def packed_codes(library: Library, kind: Format, codes: Codes) -> CodesMatrix:
    """A matrix of codes packed for products.

    Args:
        library: The compiled code.
        kind: CODES_FLOAT32; with CODES_INT16 and CODES_INT8 rows are rounded to so many bits, by the largest of 128
            inputs at most.
        codes: The matrix.
    """
    (outputs, inputs), groups = codes.codes.shape, codes.scales.shape[1]
    scales = codes.scales.float().contiguous()
    zero_type, zeros = _stored_zeros(codes, scales)
    offsets = scales if zeros is None or zero_type is not ZeroType.OFFSETS else zeros
    # One scale for each output takes no memory worth speaking of.
    is_half = groups > 1 and _fits_float16(scales, 0.0) and _fits_float16(offsets, _OFFSET_ERROR)
    fields = Fields(
        format=kind,
        bits=codes.bits,
        outputs=outputs,
        inputs=inputs,
        group_size=inputs // groups,
        has_half_scales=is_half,
        zero_type=zero_type,
    )
    lanes = -(-outputs // LANES) * LANES
    padded_size, number_bytes = -(-fields.group_size // _PAIR) * _PAIR, 2 if is_half else 4
    zero_bytes = (0, 1, number_bytes)[zero_type]
    matrix = CodesMatrix(
        library,
        fields,
        chunks.zeros(lanes * groups * padded_size * codes.bits // 8),
        chunks.zeros(lanes * groups * number_bytes),
        chunks.zeros(lanes * groups * zero_bytes),
        codes.bias,
        None if codes.order is None else codes.order.int(),
    )
    library.pack_codes(
        matrix.address,
        codes.codes.contiguous().data_ptr(),
        scales.data_ptr(),
        None if zeros is None else zeros.data_ptr(),
        torch.get_num_threads(),
    )
    return matrix


def merged_codes(parts: Sequence[CodesMatrix]) -> CodesMatrix | None:
    """Matrices of the same inputs as one, whose outputs follow each other; None if they are of different kinds.

    All but the last must fill their panels.
    """
    first, *others = parts
    is_alike = all(first.kind == other.kind and _is_same_order(first.order, other.order) for other in others)
    if not is_alike or any(part.outputs % LANES for part in parts[:-1]):
        return None
    fields = Fields.from_buffer_copy(first.fields)
    fields.outputs = sum(part.outputs for part in parts)
    fields.bias = None
    panels, scales, zeros = (_joined(tensors) for tensors in zip(*(part.parts for part in parts), strict=True))
    return CodesMatrix(first.library, fields, panels, scales, zeros, _joined_bias(parts), first.order)


def _stored_zeros(codes: Codes, scales: torch.Tensor) -> tuple[ZeroType, torch.Tensor | None]:
    """How zeros are kept, and what is."""
    if codes.zeros is None or bool((codes.zeros == 1 << (codes.bits - 1)).all()):
        return ZeroType.CENTRE, None
    zeros = codes.zeros.float().contiguous()
    if bool(((zeros == zeros.round()) & (zeros >= 0) & (zeros <= 255)).all()):
        return ZeroType.BYTES, zeros
    return ZeroType.OFFSETS, -zeros * scales


def _fits_float16(numbers: torch.Tensor, error: float) -> bool:
    """Tells if numbers are float16 but for a relative error."""
    return bool(((numbers.half().float() - numbers).abs() <= error * numbers.abs()).all())


def _is_same_order(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    return first is second if first is None or second is None else torch.equal(first, second)


def _joined(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    joined = chunks.zeros(sum(part.numel() for part in parts))
    torch.cat(list(parts), out=joined)
    return joined


def _joined_bias(parts: Sequence[CodesMatrix]) -> torch.Tensor | None:
    if all(part.bias is None for part in parts):
        return None
    return torch.cat([torch.zeros(part.outputs) if part.bias is None else part.bias.float() for part in parts])
