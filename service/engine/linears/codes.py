"""Linear layers whose matrix stays in codes of 8 or 4 bits, multiplied by compiled code of our own on a CPU.

Where there is no compiler, PyTorch's products and those of unpacked matrices do it (`quantized`, `tinygemm`).
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch
from torch import nn

from service.engine.device import is_cpu
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.operator_trial import works
from service.engine.linears.quantized import Int8Linear
from service.engine.native.codes import Codes, CodesMatrix, format_of_codes, merged_codes, packed_codes
from service.engine.native.library import Library, native_library
from service.engine.native.matrix import Format

_ALL = slice(None)
_TRIED_OUTPUTS, _TRIED_ROWS = 33, (1, 3, 17)
_PIECE: Final = 128
"""The most inputs of a row that share a scale."""

_has_int8_rows: ContextVar[bool] = ContextVar("has_int8_rows", default=False)


class CodesLinear(nn.Module):
    """A layer whose matrix is packed for the compiled products, on a CPU.

    Rows in bfloat16 and float16 are multiplied as numbers of 16 bits, or of 8, with a scale for each group, and summed
    exactly; those in float32 as they are.

    Args:
        matrix: The packed matrix, bias included.
        dtype: What it computes in.
    """

    def __init__(self, matrix: CodesMatrix, dtype: torch.dtype) -> None:
        super().__init__()
        self.matrix, self.dtype = matrix, dtype
        self.in_features, self.out_features, self.bias = matrix.inputs, matrix.outputs, matrix.bias
        # What the model holds is counted by its buffers.
        for name, tensor in zip(("panels", "scales", "zeros"), matrix.parts, strict=True):
            self.register_buffer(name, tensor, persistent=False)

    @property
    def has_int8_rows(self) -> bool:
        """Whether rows are rounded to 8 bits."""
        return Format(self.matrix.fields.format) is Format.CODES_INT8

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        product = self.matrix.multiply(hidden.reshape(-1, self.in_features))
        return product.view(*hidden.shape[:-1], -1)

    def dequantized(self, dtype: torch.dtype, outputs: slice = _ALL) -> torch.Tensor:
        """The matrix in plain numbers, or some of its rows: [outputs, in_features], for inputs as rows have them."""
        return self.matrix.take(torch.arange(self.out_features)[outputs]).to(dtype)


@contextmanager
def rows_rounded_to_int8(is_wanted: bool = True) -> Iterator[None]:
    """Layers that are made within round rows of 16 bits to 8, if that is wanted."""
    token = _has_int8_rows.set(is_wanted)
    try:
        yield
    finally:
        _has_int8_rows.reset(token)


def codes_linear(weights: GroupedWeights, dtype: torch.dtype) -> CodesLinear | None:
    """A layer of weights in groups; None where there is no compiled product for them."""
    codes = Codes(weights.codes, weights.scales, weights.zeros, weights.bits, weights.bias, weights.order)
    return _layer(codes, dtype)


def int8_codes_linear(layer: Int8Linear) -> CodesLinear | None:
    """A layer of the weights of another, which keeps them; None where there is no compiled product for them."""
    if not is_cpu(layer.weight.device):
        return None
    # Adding 128 to a byte flips its highest bit.
    return _layer(Codes(layer.weight.view(torch.uint8) ^ 128, layer.scale, None, 8, layer.bias), layer.dtype)


def merged_linear(parts: list[CodesLinear]) -> CodesLinear | None:
    """Layers of the same input as one; None if they are of different kinds."""
    matrix = merged_codes([part.matrix for part in parts]) if len({part.dtype for part in parts}) == 1 else None
    return None if matrix is None else CodesLinear(matrix, parts[0].dtype)


def _layer(codes: Codes, dtype: torch.dtype) -> CodesLinear | None:
    kind = format_of_codes(dtype, _has_int8_rows.get())
    library = native_library() if is_cpu(codes.codes.device) else None
    inputs, groups = codes.codes.shape[1], codes.scales.shape[1]
    if kind is None or library is None or not _works(library, kind, dtype, codes.bits, inputs, groups):
        return None
    return CodesLinear(packed_codes(library, kind, codes), dtype)


@functools.cache
@torch.inference_mode()
def _works(library: Library, kind: Format, dtype: torch.dtype, bits: int, inputs: int, groups: int) -> bool:
    """Tells if the compiled products of a shape are those of the plain matrix, tried once."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(2**bits, (_TRIED_OUTPUTS, inputs), dtype=torch.uint8, generator=generator)
    zeros = torch.randint(2**bits, (_TRIED_OUTPUTS, groups), generator=generator)
    scales = torch.rand(zeros.shape, generator=generator) + 0.5
    rows = torch.randn((_TRIED_ROWS[-1], inputs), generator=generator)
    if kind is Format.CODES_INT8:
        rows = _bytes_of(rows, groups)
    rows = rows.to(dtype)
    centred = codes.view(_TRIED_OUTPUTS, groups, -1).float() - zeros[:, :, None]
    plain = (centred * scales[:, :, None]).view(_TRIED_OUTPUTS, inputs)
    expected = (rows.float() @ plain.t()).to(dtype)

    def attempt() -> list[torch.Tensor]:
        matrix = packed_codes(library, kind, Codes(codes, scales, zeros, bits))
        return [matrix.multiply(rows[:count]) for count in _TRIED_ROWS]

    otherwise = f"{bits}-bit weights of {inputs} inputs in {groups} groups are multiplied by PyTorch"
    return works(attempt, [expected[:count] for count in _TRIED_ROWS], otherwise)


def _bytes_of(rows: torch.Tensor, groups: int) -> torch.Tensor:
    """Rows that rounding to 8 bits leaves as they are: multiples of 1/128, of which each piece has the largest pair."""
    rounded = (rows * 32).round().clamp(-63, 63) / 128
    grouped = rounded.view(rows.shape[0], groups, -1)
    grouped[:, :, ::_PIECE], grouped[:, :, 1::_PIECE] = 127 / 128, 0
    return rounded
