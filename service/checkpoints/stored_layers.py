"""Linear layers that a checkpoint stores in a packed form, found by the tensors that each of them has.

The forms are those of compressed-tensors, of 8-bit floats and of bitsandbytes. AWQ's and GPTQ's are told by the config.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

from service.checkpoints.headers import Weight

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
