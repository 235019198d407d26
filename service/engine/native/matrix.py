"""Weight matrices packed for the compiled products, and the products with them."""

import ctypes
from collections.abc import Sequence
from enum import IntEnum

import torch

from service.engine.native.library import Fields, Library
from service.engine.native.memory import Chunks

LANES = 16
"""The outputs of a panel."""


class Format(IntEnum):
    """How weights are stored and multiplied; src/matrix.h tells more."""

    FLOAT32 = 0
    FLOAT16 = 1
    BFLOAT16 = 2
    BFLOAT16_DOT = 3
    CODES_FLOAT32 = 4
    CODES_INT16 = 5
    CODES_INT8 = 6


_FORMATS = {torch.float32: Format.FLOAT32, torch.float16: Format.FLOAT16, torch.bfloat16: Format.BFLOAT16}
DTYPES = tuple(_FORMATS)
"""Those whose matrices of plain numbers can be packed."""

chunks = Chunks()
"""The memory of all packed matrices."""


class Matrix:
    """A packed matrix, and the memory that it is in.

    Args:
        library: The compiled code.
        fields: Its sizes and addresses.
        kept: The tensors that are at those addresses.
    """

    def __init__(self, library: Library, fields: Fields, kept: Sequence[torch.Tensor]) -> None:
        self.library, self.fields, self._kept = library, fields, kept
        self.address = ctypes.addressof(fields)
        self.outputs, self.inputs, self.has_bias = int(fields.outputs), int(fields.inputs), bool(fields.bias)

    def __deepcopy__(self, memo: dict[int, object]) -> "Matrix":
        return self  # nothing changes a packed matrix, so copies of a model share it

    @property
    def num_bytes(self) -> int:
        """The memory that it takes."""
        return sum(tensor.nbytes for tensor in self._kept)

    def multiply(self, rows: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """Rows times the matrix, plus its bias and a residual.

        Args:
            rows: [N, inputs], in any dtype of floats.
            residual: [N, outputs], or None.

        Returns:
            [N, outputs] in the dtype of the rows. Sums are float32, rounded once.
        """
        floats = _float_rows(rows)
        added = None if residual is None else _float_rows(residual).contiguous()
        product = torch.empty((floats.shape[0], self.outputs), dtype=torch.float32, device=rows.device)
        self.library.multiply(
            self.address,
            floats.data_ptr(),
            floats.shape[0],
            floats.stride(0),
            None if added is None else added.data_ptr(),
            product.data_ptr(),
            self.outputs,
            torch.get_num_threads(),
        )
        return product.to(rows.dtype)

    def take(self, outputs: torch.Tensor) -> torch.Tensor:
        """Some of the matrix's rows in plain numbers, as an embedding gives them.

        Args:
            outputs: Which, int64 [N].

        Returns:
            float32 [N, inputs].

        Raises:
            IndexError: There is no such row.
        """
        taken = torch.empty((outputs.numel(), self.inputs), dtype=torch.float32, device=outputs.device)
        ids = outputs.contiguous()
        is_found = self.library.take_outputs(
            self.address, ids.data_ptr(), ids.numel(), taken.data_ptr(), torch.get_num_threads()
        )
        if not is_found:
            raise IndexError(f"rows {int(outputs.min())} to {int(outputs.max())} of a matrix with {self.outputs}")
        return taken


def format_of(library: Library, dtype: torch.dtype) -> Format:
    """The format in which plain numbers are multiplied best."""
    known = _FORMATS[dtype]
    return Format.BFLOAT16_DOT if known is Format.BFLOAT16 and library.has_bfloat16_dot else known


class Packing:
    """A matrix that is packed part by part, so that each part can be let go before the next one.

    Args:
        library: The compiled code.
        kind: The format.
        outputs, inputs: The size of the whole.
        bias: [outputs], or None.
    """

    def __init__(
        self, library: Library, kind: Format, outputs: int, inputs: int, bias: torch.Tensor | None = None
    ) -> None:
        num_panels = -(-outputs // LANES)
        padded_inputs = -(-inputs // 2) * 2 if kind is Format.BFLOAT16_DOT else inputs
        item_bytes = 4 if kind is Format.FLOAT32 else 2
        kept = [chunks.zeros(num_panels * LANES * padded_inputs * item_bytes)]
        fields = Fields(format=kind, outputs=outputs, inputs=inputs, panels=kept[0].data_ptr())
        if bias is not None:
            kept.append(padded(bias.float(), num_panels * LANES))
            fields.bias = kept[1].data_ptr()
        self.matrix, self._num_packed = Matrix(library, fields, kept), 0

    def add(self, weight: torch.Tensor) -> None:
        """Packs [some outputs, inputs] after what was packed before."""
        rows = weight.detach().contiguous()
        self.matrix.library.pack(
            self.matrix.address, rows.data_ptr(), self._num_packed, rows.shape[0], torch.get_num_threads()
        )
        self._num_packed += rows.shape[0]


def packed(library: Library, weight: torch.Tensor, bias: torch.Tensor | None = None) -> Matrix:
    """A matrix of plain numbers, [outputs, inputs] in one of `DTYPES`, in the format that is best for it."""
    outputs, inputs = weight.shape
    packing = Packing(library, format_of(library, weight.dtype), outputs, inputs, bias)
    packing.add(weight)
    return packing.matrix


def padded(values: torch.Tensor, length: int) -> torch.Tensor:
    """Values with zeros after them."""
    whole = values.new_zeros(length)
    whole[: values.numel()] = values
    return whole


def _float_rows(rows: torch.Tensor) -> torch.Tensor:
    """Rows as float32, each without gaps."""
    floats = rows.float()
    return floats if floats.stride(-1) == 1 or floats.shape[-1] == 1 else floats.contiguous()
