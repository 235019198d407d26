"""Linear layers whose matrix stays in 4 or 8 bits in memory, multiplied by PyTorch; on a CPU `codes` goes before them.

A few rows at a time, as decoding has them, go through PyTorch's kernels that read the packed matrix, where these exist
and are worth it. Otherwise one layer's matrix is unpacked for the product and dropped again. On a CPU the kernels are
quick in bfloat16 only, so float32 and float16 unpack. One row by 2048 x 2048 takes 0.11 ms instead of 0.33 ms in
bfloat16. It takes 4.3 ms instead of 0.5 ms in float32, and 3.3 ms instead of 0.3 ms in float16 (torch 2.13, one thread
of an AMD EPYC with AVX-512).
"""

import functools
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import linear

from service.engine.device import is_cpu, is_cuda
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.onednn import LINEAR, products_for
from service.engine.linears.operator_trial import works

_MAX_KERNEL_ROWS = 24
"""With more rows than this, int8 is quicker unpacked (measured on the CPU above)."""

_PIECE_BYTES = 4 << 20
"""The bytes that a CPU unpacks at once. They stay in the cache, and malloc asks the system anew for over 32 MiB: one
row by 4096 x 4096 in float32 takes 2.8 ms instead of 33 ms (measured on the CPU above)."""

_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A product with a packed matrix as it is, for a few rows.

    Attributes:
        multiply: Takes rows [rows, inputs], a layer's packed tensors and its bias; gives [rows, outputs].
        row_counts: Numbers of rows by which it multiplies; at others what goes without it is quicker, or it can't.
    """

    multiply: Callable[..., torch.Tensor]
    row_counts: Set[int]


class Int8Linear(nn.Module):
    """Weights of 8 bits with one scale for each output: weight = scale * code.

    Args:
        in_features, out_features: The layer's size.
        bias: The bias, [out_features], or None.
        dtype: What it computes in.

    Attributes:
        weight: The codes, int8 [out_features, in_features].
        scale: [out_features, 1].
        kernel: What multiplies few rows, if it has been found to be right and worth it (`kernel_trials`).
    """

    OUTPUT_DIMENSIONS: ClassVar = {"weight": 0, "scale": 0}
    """The dimension of each buffer that the outputs are."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, in_features: int, out_features: int, bias: nn.Parameter | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features, self.bias = in_features, out_features, bias
        self.register_buffer("weight", torch.empty((out_features, in_features), dtype=torch.int8))
        self.register_buffer("scale", torch.empty((out_features, 1), dtype=dtype))
        self.kernel: Kernel | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that it computes in."""
        return self.scale.dtype

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        rows = hidden.reshape(-1, self.in_features)
        if self.kernel is not None and rows.shape[0] in self.kernel.row_counts:
            product = self.kernel.multiply(rows.contiguous(), self.weight, self.scale, self.bias)
            return product.view(*hidden.shape[:-1], -1)
        if rows.shape[0] > _MAX_KERNEL_ROWS or not self.can_use_torch_kernel():
            return _unpacked_product(self, hidden)
        return finished(_packed_product(self, rows.contiguous()), self.bias, hidden)

    def dequantized(self, dtype: torch.dtype, outputs: slice = _ALL) -> torch.Tensor:
        """The matrix in plain numbers, or some of its rows: [outputs, in_features]."""
        return self.weight[outputs].to(dtype).mul_(self.scale[outputs])

    def can_use_torch_kernel(self) -> bool:
        """Tells if PyTorch's product with packed weights is right for this shape, on this device."""
        return _int8_kernel_works(self.weight.device, self.scale.dtype, self.in_features, self.out_features)


class GroupedLinear(nn.Module):
    """Weights of 4 or 8 bits that share scale and zero in groups of inputs, unpacked for the product.

    Args:
        weights: The weights.
        dtype: What it computes in.

    Attributes:
        kernel: As `Int8Linear`'s.
    """

    OUTPUT_DIMENSIONS: ClassVar = {"_codes": 0, "_scales": 1, "_zeros": 1}
    """The dimension of each buffer that the outputs are."""

    _codes: torch.Tensor
    _scales: torch.Tensor
    _zeros: torch.Tensor
    _order: torch.Tensor | None

    def __init__(self, weights: GroupedWeights, dtype: torch.dtype) -> None:
        super().__init__()
        codes, self.bits, self.group_size = weights.codes, weights.bits, weights.group_size
        self.out_features, self.in_features = codes.shape
        self.bias = weights.bias
        self.kernel: Kernel | None = None
        half = self.in_features // 2
        # Halves of a row, not neighbours, share a byte, so that unpacking writes in order.
        self.register_buffer("_codes", codes[:, :half] | codes[:, half:] << 4 if self.bits == 4 else codes)
        self.register_buffer("_scales", weights.scales.t().to(dtype).contiguous())
        self.register_buffer("_zeros", weights.zeros.t().to(dtype).contiguous())
        self.register_buffer("_order", weights.order)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that it computes in."""
        return self._scales.dtype

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        inputs = ordered(hidden, self._order)
        rows = inputs.reshape(-1, self.in_features)
        if self.kernel is not None and rows.shape[0] in self.kernel.row_counts:
            product = self.kernel.multiply(rows.contiguous(), self._codes, self._scales, self._zeros, self.bias)
            return product.view(*hidden.shape[:-1], -1)
        return _unpacked_product(self, inputs)

    def dequantized(self, dtype: torch.dtype, outputs: slice = _ALL) -> torch.Tensor:
        """The matrix in plain numbers, or some of its rows: [outputs, in_features], in the order of the codes."""
        codes = self._codes[outputs]
        if self.bits == 4:
            codes = torch.cat((codes & 15, codes >> 4), dim=1)
        groups = codes.to(dtype).view(codes.shape[0], self._scales.shape[0], -1)
        zeros, scales = (it[:, outputs].t()[:, :, None] for it in (self._zeros, self._scales))
        return groups.sub_(zeros).mul_(scales).view(codes.shape)

    def has_groups_of(self, other: "GroupedLinear") -> bool:
        """Tells if the two could be rows of one matrix."""
        if self.bits != other.bits or self.group_size != other.group_size:
            return False
        if self._order is None or other._order is None:
            return self._order is other._order
        return torch.equal(self._order, other._order)


@functools.cache
def _int8_kernel_works(device: torch.device, dtype: torch.dtype, inputs: int, outputs: int) -> bool:
    """Tells if the kernel takes a shape and computes there what the unpacked matrix gives, tried once."""
    # Of torch 2.13 the CPU's kernel crashes the process in bfloat16 if the inputs are no multiple of 16.
    if dtype not in _kernel_dtypes(device) or inputs % 64:
        return False
    generator = torch.Generator(device).manual_seed(0)
    layer = Int8Linear(inputs, outputs, None, dtype).to(device)
    layer.weight.random_(-127, 128, generator=generator)
    layer.scale.uniform_(0.5, 1.5, generator=generator)
    rows = torch.randn((2, inputs), dtype=torch.float32, device=device, generator=generator).to(dtype)
    otherwise = f"8-bit weights of {outputs} x {inputs} are unpacked for each product"
    return works(lambda: [_packed_product(layer, rows)], [linear(rows, layer.dequantized(dtype))], otherwise)


def _packed_product(layer: Int8Linear, rows: torch.Tensor) -> torch.Tensor:
    """The product with the codes as they are, [rows, out_features], without a bias."""
    return torch._weight_int8pack_mm(rows, layer.weight, layer.scale.flatten())


def _kernel_dtypes(device: torch.device) -> tuple[torch.dtype, ...]:
    """Dtypes in which PyTorch's product with packed weights is worth it."""
    if is_cuda(device):
        return (torch.bfloat16, torch.float16)
    return (torch.bfloat16,) if is_cpu(device) else ()


def ordered(hidden: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    """Inputs in the order of the codes."""
    return hidden if order is None else hidden.index_select(-1, order)


def _plain_dtype(hidden: torch.Tensor) -> torch.dtype:
    """In which numbers to multiply. CPUs turn codes into float16 so slowly that float32 takes a third of the time."""
    is_slow = hidden.dtype is torch.float16 and is_cpu(hidden.device)
    return torch.float32 if is_slow else hidden.dtype


def _unpacked_product(layer: Int8Linear | GroupedLinear, hidden: torch.Tensor) -> torch.Tensor:
    """The product with the matrix in plain numbers; `hidden` is in the order of the codes."""
    dtype = _plain_dtype(hidden)
    rows, bias = hidden.reshape(-1, layer.in_features).to(dtype), None if layer.bias is None else layer.bias.to(dtype)
    num_outputs = layer.out_features
    if is_cpu(hidden.device):
        num_outputs = max(1, _PIECE_BYTES // (dtype.itemsize * layer.in_features))
    pieces = [slice(start, start + num_outputs) for start in range(0, layer.out_features, num_outputs)]
    # Of several rows in float32, oneDNN's takes half of the time of MKL's on the CPU above.
    products = products_for(rows) if rows.shape[0] > 1 else LINEAR
    parts = [products.multiply(rows, layer.dequantized(dtype, it), None if bias is None else bias[it]) for it in pieces]
    product = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
    return product.to(hidden.dtype).view(*hidden.shape[:-1], -1)


def finished(product: torch.Tensor, bias: torch.Tensor | None, hidden: torch.Tensor) -> torch.Tensor:
    """A product of rows with its bias, in the shape of what was given."""
    if bias is not None:
        product = product + bias
    return product.view(*hidden.shape[:-1], -1)
