"""Places for weights of compressed-tensors, of 8-bit floats and of bitsandbytes: their tensors as they are on the disk.

Each layer's tensors tell how it is stored (`service.checkpoints.headers`). What has a packed form of ours stays
packed; the rest becomes a plain matrix. Activations are never quantized, whatever a checkpoint's config says of them.
"""

from collections.abc import Callable

import torch
from torch import nn

from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import Form, StoredLayer, Weight
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.quantized import Int8Linear
from service.engine.weights.packed_layers import MakeLinear, PackedLinear, group_order, unpacked_columns
from service.engine.weights.unpacking import bnb_4bit_matrix, float8_matrix, levels_of

RENAMED_PARTS = {
    r"\.weight\.(absmax|quant_map|nested_absmax|nested_quant_map)$": r".\1",
    r"\.weight\.quant_state\.bitsandbytes__(nf4|fp4)$": ".quant_state",
}
"""transformers' `key_mapping` from names of bitsandbytes that can't be those of a buffer."""

UNUSED_PARTS = (
    *(rf"\.{of}_(scale|zero_point|global_scale)$" for of in ("input", "output", "q", "k", "v")),
    r"\.(kv_scale|input_scale_ub|activation_scale)$",
)
"""Patterns of tensors that only tell how activations and the KV cache would be rounded, which they are not here."""

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E8M0": torch.float8_e8m0fnu,
    "I64": torch.int64,
    "I32": torch.int32,
    "I8": torch.int8,
    "U8": torch.uint8,
}


class StoredWeights(nn.Module):
    """The tensors of a layer.

    Args:
        linear: The plain layer that it stands for.
        layer: What the checkpoint has of it.
        blocks: How many outputs and inputs may share a scale, where that is neither an output nor all.

    Attributes:
        form: How its matrix is stored.
        bias: The bias, [outputs], or None.

    Raises:
        CheckpointError: They are not those of such a layer.
    """

    def __init__(self, linear: nn.Linear, layer: StoredLayer, blocks: frozenset[tuple[int, int]]) -> None:
        super().__init__()
        self.out_features, self.in_features = linear.out_features, linear.in_features
        self.form, self.bias, self._blocks = layer.form, linear.bias, blocks
        self._scale_name = "weight_scale" if "weight_scale" in layer.tensors else "weight_scale_inv"
        for part, weight in layer.tensors.items():
            self._check(part, weight)
            self.register_buffer(_buffer_name(part), torch.empty(weight.shape, dtype=_DTYPES[weight.dtype]))
        self._check_parts(layer)

    @property
    def stays_packed(self) -> bool:
        """Whether its matrix stays packed in the layer that computes."""
        return self.form in (Form.PACKED, Form.INT8, Form.BNB_8BIT)

    def to_linear(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> nn.Module:
        """The layer that computes with these weights.

        Args:
            dtype: What it computes in.
            make: Chooses by the bits of a code what lays out weights that share scales in groups.

        Raises:
            CheckpointError: What the tensors hold can't be used.
        """
        match self.form:
            case Form.PACKED:
                return self._from_words(dtype, make)
            case Form.INT8:
                return self._from_int8(dtype, make)
            case Form.BNB_8BIT:
                return self._from_rows(dtype)
            case Form.FLOAT8:
                return self._plain(self._float8_matrix().to(dtype))
            case Form.BNB_4BIT:
                return self._plain(self._bnb_4bit_matrix().to(dtype))

    def _plain(self, matrix: torch.Tensor) -> nn.Linear:
        linear = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        linear.weight = nn.Parameter(matrix, requires_grad=False)
        linear.register_parameter("bias", self.bias)
        return linear

    def _from_words(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> PackedLinear:
        words, scales = self.get_buffer("weight_packed"), self.get_buffer("weight_scale")
        bits = self._bits(words.shape[1])
        places = tuple(range(32 // bits))
        codes = unpacked_columns(words, bits, places)[:, : self.in_features]
        zeros = torch.full_like(scales, 1 << (bits - 1))
        if (stored := self._part("weight_zero_point")) is not None:
            if stored.dtype is torch.int32:
                stored = unpacked_columns(stored.t(), bits, places).t()[: self.out_features]
                zeros = stored.to(scales.dtype)
            else:  # as compressed-tensors had them at first
                zeros = zeros + stored.to(scales.dtype)
        return self._in_groups(codes, scales, zeros, bits, dtype, make)

    def _from_int8(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> Int8Linear | PackedLinear:
        codes, scales = self.get_buffer("weight"), self._scales_by_row("weight_scale")
        if self._part("weight_zero_point") is None and scales.shape[1] == 1:
            return self._int8_linear(codes, scales, dtype)
        zeros = torch.full_like(scales, 128)
        if self._part("weight_zero_point") is not None:
            zeros = zeros + self._scales_by_row("weight_zero_point").to(scales.dtype)
        unsigned = codes.view(torch.uint8) ^ 128  # the same as to add 128
        return self._in_groups(unsigned, scales, zeros, 8, dtype, make)

    def _from_rows(self, dtype: torch.dtype) -> Int8Linear:
        """bitsandbytes' int8: each output's largest weight stands for 127."""
        layout = self._part("weight_format")
        if layout is not None and bool(layout.any()):
            raise CheckpointError(
                "weights of bitsandbytes in a layout for one kind of GPU can't be loaded: save them by rows, as its "
                "newer versions do"
            )
        largest = self.get_buffer("SCB").reshape(-1, 1)
        return self._int8_linear(self.get_buffer("weight"), largest.float() / 127, dtype)

    def _int8_linear(self, codes: torch.Tensor, scales: torch.Tensor, dtype: torch.dtype) -> Int8Linear:
        layer = Int8Linear(self.in_features, self.out_features, self.bias, dtype)
        layer.weight, layer.scale = codes, scales.to(dtype)
        return layer

    def _in_groups(
        self,
        codes: torch.Tensor,
        scales: torch.Tensor,
        zeros: torch.Tensor,
        bits: int,
        dtype: torch.dtype,
        make: Callable[[int], MakeLinear],
    ) -> PackedLinear:
        indices = self._part("weight_g_idx")
        has_order = indices is not None and bool((indices >= 0).all())
        order = group_order(indices, scales.shape[1]) if indices is not None and has_order else None
        if order is not None:
            codes = codes.index_select(1, order)
        return make(bits)(GroupedWeights(codes, scales, zeros, bits, self.bias, order), dtype)

    def _float8_matrix(self) -> torch.Tensor:
        return float8_matrix(self.get_buffer("weight"), self._part(self._scale_name), self._blocks)

    def _bnb_4bit_matrix(self) -> torch.Tensor:
        parts = {name: self.get_buffer(name) for name in ("weight", "absmax", "quant_map", "quant_state")}
        nested = self._part("nested_absmax"), self._part("nested_quant_map")
        levels = levels_of(parts["absmax"], *nested, parts["quant_state"])
        shape = torch.Size((self.out_features, self.in_features))
        return bnb_4bit_matrix(parts["weight"], levels, parts["quant_map"], parts["quant_state"], shape)

    def _scales_by_row(self, name: str) -> torch.Tensor:
        """Scales or zeros, [outputs, groups]; one of all is repeated."""
        found = self.get_buffer(name)
        found = found.reshape(found.shape[0] if found.dim() == 2 else -1, found.shape[-1] if found.dim() == 2 else 1)
        return found.expand(self.out_features, -1)

    def _part(self, name: str) -> torch.Tensor | None:
        return dict(self.named_buffers(recurse=False)).get(name)

    def _bits(self, num_words: int) -> int:
        return 4 if num_words == -(-self.in_features * 4 // 32) else 8

    def _check(self, part: str, weight: Weight) -> None:
        """Refuses what no layer of this size has, before memory is taken for it."""
        if weight.dtype not in _DTYPES or not self._fits(part, weight.shape):
            raise CheckpointError(
                f"{part} is {weight.dtype} {list(weight.shape)}, which no layer of {self.out_features} x "
                f"{self.in_features} has in this form"
            )

    def _fits(self, part: str, shape: tuple[int, ...]) -> bool:
        rows, columns = self.out_features, self.in_features
        match part:
            case "weight_packed":
                return shape in [(rows, -(-columns * bits // 32)) for bits in (4, 8)]
            case "weight" if self.form is Form.BNB_4BIT:
                return shape == (-(-rows * columns // 2), 1)
            case "weight":
                return shape == (rows, columns)
            case "weight_scale" | "weight_scale_inv" | "weight_zero_point":
                return self._are_scales(part, shape)
            case "SCB":
                return shape in ((rows,), (rows, 1))
            case "weight_g_idx":
                return shape == (columns,)
            case _:  # of bitsandbytes: at most a number for each weight, and `unpacking` counts them
                return len(shape) < 2 and sum(shape) <= max(rows * columns, 1 << 12)

    def _are_scales(self, part: str, shape: tuple[int, ...]) -> bool:
        rows, columns = self.out_features, self.in_features
        of_rows = {rows, *(-(-rows * bits // 32) for bits in (4, 8))} if part == "weight_zero_point" else {rows}
        if self.form is not Form.PACKED and shape in ((), (1,), (rows,)):
            return True
        if len(shape) != 2:
            return False
        if shape[1] == 1 and shape[0] in (of_rows if self.form is Form.PACKED else {*of_rows, 1}):
            return True
        by_group = any(high == 1 and columns % wide == 0 and shape[1] == columns // wide for high, wide in self._blocks)
        by_block = any(shape == (-(-rows // high), -(-columns // wide)) for high, wide in self._blocks)
        return (by_group and shape[0] in of_rows) or (by_block and self.form is Form.FLOAT8)

    def _check_parts(self, layer: StoredLayer) -> None:
        needed = {
            Form.FLOAT8: {self._scale_name},
            Form.BNB_4BIT: {"weight.absmax", "weight.quant_map"},
        }.get(self.form, set())
        if missing := needed - layer.tensors.keys():
            raise CheckpointError(f"{min(missing)} is missing")
        if self.form is Form.BNB_4BIT and self._part("quant_state") is None:
            raise CheckpointError("weight.quant_state is missing: save it with a newer version of bitsandbytes")
        if self.form is Form.PACKED and (self.in_features % 8 or self.out_features % 8):
            raise CheckpointError(
                f"a layer of {self.out_features} x {self.in_features} can't be packed in words of 32 bits"
            )


def _buffer_name(part: str) -> str:
    """A part's name as `RENAMED_PARTS` leaves it."""
    name = part.rpartition(".")[2] if "." in part else part
    return "quant_state" if name.startswith("bitsandbytes__") else name
