"""The tensors of a checkpoint, as the headers of its files tell, and the layers that are stored in a packed form.

Nothing of the weights is read for it. The forms are those of compressed-tensors, of 8-bit floats and of bitsandbytes;
AWQ's and GPTQ's are told by the config, GGUF's by the types of its tensors.
"""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import weight_files
from service.checkpoints.gguf import KINDS, PLAIN, is_gguf, read_gguf
from service.checkpoints.gguf_weights import gguf_weights

BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
}
"""The bits of one element, by the name that safetensors has for its type."""

GGUF_BYTES = {kind.name: kind.num_bytes / kind.num_elements for kind in KINDS.values() if kind.name not in PLAIN}
"""The bytes of one element, by the name that GGUF files have for its code."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of a checkpoint.

    Attributes:
        dtype: Its type, one of `BITS` or `GGUF_BYTES`.
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """What it takes as it is."""
        if self.dtype in GGUF_BYTES:
            return int(math.prod(self.shape) * GGUF_BYTES[self.dtype])
        return math.prod(self.shape) * BITS[self.dtype] // 8


def read_weights(checkpoint: Path) -> dict[str, Weight]:
    """The tensors of a checkpoint's folder or GGUF file by name, from the files' headers.

    Raises:
        CheckpointError: A file is no safetensors or GGUF file, or is shorter or longer than its header says.
        OSError: A file can't be read.
    """
    if is_gguf(checkpoint):
        found = gguf_weights(read_gguf(checkpoint))
        return {name: Weight(weight.tensor.kind.name, weight.tensor.shape) for name, weight in found.items()}
    return read_headers(weight_files(checkpoint))


def read_headers(paths: Iterable[Path]) -> dict[str, Weight]:
    """The same of some files."""
    weights: dict[str, Weight] = {}
    for path in paths:
        weights |= read_header(path)
    return weights


def stored_bytes(weights: Mapping[str, Weight]) -> int:
    """What a checkpoint's weights take on the disk."""
    return sum(weight.size_bytes for weight in weights.values())


def read_header(path: Path) -> dict[str, Weight]:
    """The tensors of one file by name.

    Raises:
        CheckpointError: It is no safetensors, or is shorter or longer than its header says.
        OSError: It can't be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            weights = {name: Weight(it.get_dtype(), tuple(it.get_shape())) for name, it in slices.items()}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error
    unknown = {weight.dtype for weight in weights.values()} - BITS.keys()
    if unknown:
        raise CheckpointError(f"{path} has weights of type {unknown.pop()}; expected one of {', '.join(BITS)}")
    return weights


_FLOAT8 = ("F8_E4M3", "F8_E5M2")


class Form(enum.Enum):
    """How the matrix of a layer is stored.

    PACKED: Integers of 4 or 8 bits in words of 32 (`weight_packed`), with scales for groups of inputs.
    INT8: Integers of 8 bits, with one scale for each output, or scales for groups of inputs.
    FLOAT8: Floats of 8 bits, with scales for the matrix, its outputs or its blocks.
    BNB_4BIT: bitsandbytes' indices of 16 levels, with a scale for each block of following weights.
    BNB_8BIT: bitsandbytes' integers of 8 bits, with the largest weight of each output.
    """

    PACKED = enum.auto()
    INT8 = enum.auto()
    FLOAT8 = enum.auto()
    BNB_4BIT = enum.auto()
    BNB_8BIT = enum.auto()


_PARTS = {
    Form.PACKED: ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx"),
    Form.INT8: ("weight", "weight_scale", "weight_zero_point", "weight_g_idx"),
    Form.FLOAT8: ("weight", "weight_scale", "weight_scale_inv"),
    Form.BNB_4BIT: (
        "weight",
        *(f"weight.{part}" for part in ("absmax", "quant_map", "nested_absmax", "nested_quant_map")),
        *(f"weight.quant_state.bitsandbytes__{kind}" for kind in ("nf4", "fp4")),
    ),
    Form.BNB_8BIT: ("weight", "SCB", "weight_format"),
}


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A linear layer as it is stored.

    Attributes:
        name: The layer's.
        form: How its matrix is stored.
        tensors: Its tensors but the bias, by what their names have behind the layer's.
    """

    name: str
    form: Form
    tensors: Mapping[str, Weight]

    @property
    def tensor_names(self) -> list[str]:
        """The names of its tensors."""
        return [f"{self.name}.{part}" for part in self.tensors]

    @property
    def stays_packed(self) -> bool:
        """Whether it computes with a packed matrix; else that becomes plain numbers at load."""
        return self.form in (Form.PACKED, Form.INT8, Form.BNB_8BIT)

    def loaded_bytes(self, plain_bits: int) -> int:
        """What it takes once it is loaded.

        Args:
            plain_bits: The bits of a plain number.
        """
        if self.form is Form.PACKED:  # zeros are plain numbers like the scales, also where all are alike
            return self.tensors["weight_packed"].size_bytes + 2 * self._num_scales * plain_bits // 8
        num_stored = math.prod(self.tensors["weight"].shape)
        if self.form is Form.INT8:
            return num_stored + (1 if self.has_scale_of_outputs else 2) * self._num_scales * plain_bits // 8
        if self.form is Form.BNB_8BIT:
            return num_stored + math.prod(self.tensors["SCB"].shape) * plain_bits // 8
        return num_stored * (2 if self.form is Form.BNB_4BIT else 1) * plain_bits // 8

    @property
    def has_scale_of_outputs(self) -> bool:
        """Whether an INT8 matrix has one scale for each output, or for all of it, and no zeros."""
        return "weight_zero_point" not in self.tensors and self._num_scales in (1, self.tensors["weight"].shape[0])

    @property
    def _num_scales(self) -> int:
        return math.prod(self.tensors["weight_scale"].shape)


def stored_layers(weights: Mapping[str, Weight]) -> list[StoredLayer]:
    """The layers of a checkpoint that are stored in one of the forms.

    Args:
        weights: The checkpoint's tensors by name.
    """
    layers: list[StoredLayer] = []
    for name, weight in weights.items():
        layer, _, part = name.rpartition(".")
        if part in ("weight", "weight_packed") and (form := _form(layer, part, weight, weights)) is not None:
            found = {part: weights[f"{layer}.{part}"] for part in _PARTS[form] if f"{layer}.{part}" in weights}
            layers.append(StoredLayer(layer, form, found))
    return layers


def _form(layer: str, part: str, weight: Weight, weights: Mapping[str, Weight]) -> Form | None:
    has_scale = f"{layer}.weight_scale" in weights
    if part == "weight_packed":
        return Form.PACKED if has_scale and weight.dtype == "I32" else None
    if len(weight.shape) != 2:
        return None
    if weight.dtype in _FLOAT8:
        return Form.FLOAT8
    if weight.dtype == "I8" and has_scale:
        return Form.INT8
    if weight.dtype == "I8" and f"{layer}.SCB" in weights:
        return Form.BNB_8BIT
    return Form.BNB_4BIT if f"{layer}.weight.absmax" in weights else None
