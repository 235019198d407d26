"""Places for the packed weights of AWQ and GPTQ checkpoints: their tensors as they are on the disk.

Both formats keep codes, scales and zeros of a linear layer in tensors of these names. They pack several codes into a
word of 32 bits, lowest bits first.
"""

from collections.abc import Callable

import torch
from torch import nn

from service.checkpoints.errors import CheckpointError
from service.checkpoints.quantization import Quantization
from service.engine.linears.codes import CodesLinear
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.quantized import GroupedLinear
from service.engine.linears.tinygemm import HalvesKernelLinear, Int4KernelLinear

PackedLinear = CodesLinear | GroupedLinear | Int4KernelLinear | HalvesKernelLinear
MakeLinear = Callable[[GroupedWeights, torch.dtype], PackedLinear]
"""`GroupedLinear`, or what takes its arguments."""

_AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)
"""In which nibble of its word each of eight neighbouring outputs is (AutoAWQ's `gemm` layout)."""

_ONES = {4: 0x11111111, 8: 0x01010101}


class AwqWeights(nn.Module):
    """The tensors of an AWQ layer.

    Args:
        linear: The plain layer that it stands for.
        quantization: How it is packed.

    Attributes:
        qweight: Codes of 8 outputs in a word, int32 [inputs, outputs / 8].
        qzeros: Zeros in the same order, int32 [groups, outputs / 8].
        scales: [groups, outputs].
        bits: Of a code.
    """

    qweight: torch.Tensor
    qzeros: torch.Tensor
    scales: torch.Tensor
    bits = 4

    def __init__(self, linear: nn.Linear, quantization: Quantization) -> None:
        super().__init__()
        inputs, outputs, groups = _sizes(linear, quantization)
        self.bias = linear.bias
        self.register_buffer("qweight", torch.empty((inputs, outputs // 8), dtype=torch.int32))
        self.register_buffer("qzeros", torch.empty((groups, outputs // 8), dtype=torch.int32))
        self.register_buffer("scales", torch.empty((groups, outputs), dtype=torch.float32))

    def to_linear(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> PackedLinear:
        """The layer that computes with these weights, in memory of its own."""
        codes, zeros = (unpacked_columns(words, 4, _AWQ_PLACES) for words in (self.qweight, self.qzeros))
        return make(self.bits)(GroupedWeights(codes.t().contiguous(), self.scales.t(), zeros.t(), 4, self.bias), dtype)


class GptqWeights(nn.Module):
    """The tensors of a GPTQ layer.

    Args:
        linear: The plain layer that it stands for.
        quantization: How it is packed.

    Attributes:
        qweight: Codes of 32 / bits inputs in a word, int32 [inputs * bits / 32, outputs].
        qzeros: Zeros of 32 / bits outputs in a word, int32 [groups, outputs * bits / 32].
        scales: [groups, outputs].
        g_idx: Each input's group, int32 [inputs]. "Act order" spreads a group over all inputs.
        bits: Of a code.
    """

    qweight: torch.Tensor
    qzeros: torch.Tensor
    scales: torch.Tensor
    g_idx: torch.Tensor

    def __init__(self, linear: nn.Linear, quantization: Quantization) -> None:
        super().__init__()
        inputs, outputs, groups = _sizes(linear, quantization)
        self.bits, self._is_zero_less_one = quantization.bits, quantization.is_zero_less_one
        per_word = 32 // self.bits
        self.bias = linear.bias
        self.register_buffer("qweight", torch.empty((inputs // per_word, outputs), dtype=torch.int32))
        self.register_buffer("qzeros", torch.empty((groups, outputs // per_word), dtype=torch.int32))
        self.register_buffer("scales", torch.empty((groups, outputs), dtype=torch.float32))
        self.register_buffer("g_idx", torch.empty((inputs,), dtype=torch.int32))

    def to_linear(self, dtype: torch.dtype, make: Callable[[int], MakeLinear]) -> PackedLinear:
        """The layer that computes with these weights, in memory of its own.

        Raises:
            CheckpointError: Groups are of different sizes.
        """
        places = tuple(range(32 // self.bits))
        # As gptqmodel does it: the one is added to the word, so that a zero of 0, stored with a borrow, comes back.
        words = self.qzeros + _ONES[self.bits] if self._is_zero_less_one else self.qzeros
        codes = unpacked_columns(self.qweight.t(), self.bits, places)
        zeros = unpacked_columns(words, self.bits, places).t()
        order = group_order(self.g_idx, self.scales.shape[0])
        if order is not None:
            codes = codes.index_select(1, order)
        return make(self.bits)(GroupedWeights(codes, self.scales.t(), zeros, self.bits, self.bias, order), dtype)


def group_order(g_idx: torch.Tensor, num_groups: int) -> torch.Tensor | None:
    """The inputs sorted by group; None if they are so already.

    Args:
        g_idx: Each input's group, [inputs].
        num_groups: How many there are.

    Raises:
        CheckpointError: Groups are of different sizes.
    """
    groups, size = g_idx.long(), g_idx.shape[0] // num_groups
    in_order = torch.arange(num_groups, device=groups.device).repeat_interleave(size)
    if torch.equal(groups, in_order):
        return None
    order = torch.argsort(groups, stable=True)
    if not torch.equal(groups[order], in_order):
        raise CheckpointError(f"the g_idx of a layer does not put {size} inputs into each group")
    return order


def _sizes(linear: nn.Linear, quantization: Quantization) -> tuple[int, int, int]:
    """Inputs, outputs and groups.

    Raises:
        CheckpointError: The inputs are no whole groups, or the outputs no whole words.
    """
    inputs, outputs, size = linear.in_features, linear.out_features, quantization.group_size
    size = inputs if size == -1 else size
    if inputs % size:
        raise CheckpointError(f"group_size {size} does not divide the {inputs} inputs of a layer")
    if inputs % 8 or outputs % 8:
        raise CheckpointError(f"a layer of {outputs} x {inputs} can't be packed in words of 32 bits")
    return inputs, outputs, inputs // size


def unpacked_columns(words: torch.Tensor, bits: int, places: tuple[int, ...]) -> torch.Tensor:
    """int32 [rows, words] to uint8 [rows, columns].

    Args:
        words: Codes of neighbouring columns in a word.
        bits: Of a code.
        places: Where in its word each column's code is, in steps of `bits` from the lowest.
    """
    columns = torch.empty((*words.shape, len(places)), dtype=torch.uint8, device=words.device)
    for column, place in enumerate(places):
        columns[:, :, column] = words >> (bits * place) & 2**bits - 1
    return columns.flatten(1)
