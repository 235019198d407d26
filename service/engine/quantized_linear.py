"""Linear layers whose matrix stays in 4 or 8 bits in memory.

A few rows at a time, as decoding has them, go through PyTorch's kernels that read the packed matrix, where these exist
and are worth it. Otherwise one layer's matrix is unpacked for the product and dropped again. On a CPU the kernels are
quick in bfloat16 only: one row by 2048 x 2048 takes 0.11 ms instead of 0.33 ms there, but 4.3 ms instead of 0.5 ms in
float32 and 3.3 ms instead of 0.3 ms in float16 (torch 2.13, one thread of an AMD EPYC with AVX-512), so these unpack.
"""

import functools
import logging

import torch
from torch import nn
from torch.nn.functional import linear

_log = logging.getLogger(__name__)

_MAX_KERNEL_ROWS = 16
"""With more rows than this, int8 is quicker unpacked (measured on the CPU above)."""

_KERNEL_GROUP_SIZES = (256, 128, 64, 32)
_KERNEL_DTYPES = {"cpu": (torch.bfloat16,), "cuda": (torch.bfloat16, torch.float16)}
_KERNEL_TOLERANCE = 1e-2
"""In norm(kernel - unpacked) / norm(unpacked); bfloat16 has 2e-3."""

_CUDA_INNER_K_TILES = 8


class Int8Linear(nn.Module):
    """Weights of 8 bits with one scale for each output: weight = scale * code.

    Args:
        in_features, out_features: The layer's size.
        bias: The bias, [out_features], or None.
        dtype: What it computes in.

    Attributes:
        weight: The codes, int8 [out_features, in_features].
        scale: [out_features, 1].
    """

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, in_features: int, out_features: int, bias: nn.Parameter | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features, self.bias = in_features, out_features, bias
        self.register_buffer("weight", torch.empty((out_features, in_features), dtype=torch.int8))
        self.register_buffer("scale", torch.empty((out_features, 1), dtype=dtype))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        rows = hidden.reshape(-1, self.in_features)
        if rows.shape[0] > _MAX_KERNEL_ROWS or not self._has_kernel():
            return _plain_product(hidden, self.dequantized(_plain_dtype(hidden)), self.bias)
        product = torch._weight_int8pack_mm(rows.contiguous(), self.weight, self.scale.flatten())
        return _finished(product, self.bias, hidden)

    def dequantized(self, dtype: torch.dtype) -> torch.Tensor:
        """The matrix in plain numbers, [out_features, in_features]."""
        return self.weight.to(dtype).mul_(self.scale)

    def _has_kernel(self) -> bool:
        return _int8_kernel_works(self.weight.device, self.scale.dtype, self.in_features, self.out_features)


class GroupedLinear(nn.Module):
    """Weights of 4 or 8 bits that share scale and zero in groups of inputs: weight = scale * (code - zero).

    Args:
        codes: uint8 [outputs, inputs], below 2 ** bits.
        scales, zeros: [outputs, groups]; each group has as many inputs, that follow one another.
        bits: 4 or 8.
        bias: [outputs], or None.
        order: Which input each column of `codes` is for, int64 [inputs]; None if they are in order.
        dtype: What it computes in.
    """

    _codes: torch.Tensor
    _scales: torch.Tensor
    _zeros: torch.Tensor
    _order: torch.Tensor | None

    def __init__(
        self,
        codes: torch.Tensor,
        scales: torch.Tensor,
        zeros: torch.Tensor,
        bits: int,
        bias: nn.Parameter | None,
        order: torch.Tensor | None,
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.bias = bias
        self._bits = bits
        half = self.in_features // 2
        # Halves of a row, not neighbours, share a byte, so that unpacking writes in order.
        self.register_buffer("_codes", codes[:, :half] | codes[:, half:] << 4 if bits == 4 else codes)
        self.register_buffer("_scales", scales[:, :, None].to(dtype))
        self.register_buffer("_zeros", zeros[:, :, None].to(dtype))
        self.register_buffer("_order", order)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        return _plain_product(_ordered(hidden, self._order), self.dequantized(_plain_dtype(hidden)), self.bias)

    def dequantized(self, dtype: torch.dtype) -> torch.Tensor:
        """The matrix in plain numbers, [out_features, in_features], its columns in the order of the codes."""
        codes = torch.cat((self._codes & 15, self._codes >> 4), dim=1) if self._bits == 4 else self._codes
        groups = codes.to(dtype).view(self.out_features, self._scales.shape[1], -1)
        return groups.sub_(self._zeros).mul_(self._scales).view(self.out_features, self.in_features)


class Int4KernelLinear(nn.Module):
    """Weights of 4 bits in the layout of PyTorch's kernels ("tinygemm"), which only they can read.

    Args: as `GroupedLinear`'s, in bfloat16; `int4_kernel_works` says for which shapes.
    """

    _packed: torch.Tensor
    _scales_and_zeros: torch.Tensor
    _order: torch.Tensor | None

    def __init__(
        self,
        codes: torch.Tensor,
        scales: torch.Tensor,
        zeros: torch.Tensor,
        bias: nn.Parameter | None,
        order: torch.Tensor | None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.bias = bias
        group_size = self.in_features // scales.shape[1]
        self._group_size = _kernel_group_size(group_size)
        repeats = group_size // self._group_size
        rounded = scales.bfloat16().float()
        # The kernels compute scale * (code - 8) + zero.
        pairs = torch.stack((rounded, (8 - zeros.float()) * rounded), dim=-1).repeat_interleave(repeats, dim=1)
        self.register_buffer("_packed", _pack_for_kernel(codes))
        self.register_buffer("_scales_and_zeros", pairs.transpose(0, 1).bfloat16().contiguous())
        self.register_buffer("_order", order)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        rows = _ordered(hidden, self._order).reshape(-1, self.in_features).contiguous()
        is_cpu = rows.device.type == "cpu"
        multiply = torch.ops.aten._weight_int4pack_mm_for_cpu if is_cpu else torch.ops.aten._weight_int4pack_mm
        return _finished(multiply(rows, self._packed, self._group_size, self._scales_and_zeros), self.bias, hidden)


QUANTIZED = (Int8Linear, GroupedLinear, Int4KernelLinear)
"""All kinds of layers in this module."""


def make_grouped_linear(
    codes: torch.Tensor,
    scales: torch.Tensor,
    zeros: torch.Tensor,
    bits: int,
    bias: nn.Parameter | None,
    order: torch.Tensor | None,
    dtype: torch.dtype,
) -> GroupedLinear | Int4KernelLinear:
    """The layer that is best for a matrix on its device; arguments as `GroupedLinear`'s."""
    outputs, inputs = codes.shape
    if bits == 4 and int4_kernel_works(codes.device, dtype, inputs, outputs, inputs // scales.shape[1]):
        return Int4KernelLinear(codes, scales, zeros, bias, order)
    return GroupedLinear(codes, scales, zeros, bits, bias, order, dtype)


@functools.cache
def int4_kernel_works(device: torch.device, dtype: torch.dtype, inputs: int, outputs: int, group_size: int) -> bool:
    """Whether `Int4KernelLinear` takes a shape and computes there what `GroupedLinear` computes, tried once."""
    is_shape_known = outputs % 16 == 0 and inputs % 128 == 0 and _kernel_group_size(group_size) > 0
    # In float16 the kernel of CUDA does not exist either.
    if dtype is not torch.bfloat16 or device.type not in _KERNEL_DTYPES or not is_shape_known:
        return False
    generator = torch.Generator(device).manual_seed(0)
    shape = (outputs, inputs // group_size)
    codes, zeros = (
        torch.randint(16, size, dtype=torch.uint8, device=device, generator=generator)
        for size in ((outputs, inputs), shape)
    )
    scales = torch.rand(shape, device=device, generator=generator) + 0.5
    plain = GroupedLinear(codes, scales, zeros, 4, None, None, dtype)
    try:
        return _agrees(Int4KernelLinear(codes, scales, zeros, None, None), plain, generator)
    except (RuntimeError, AttributeError) as error:
        _log.warning("4-bit weights of %d x %d are unpacked for each product: %s", outputs, inputs, error)
        return False


@functools.cache
def _int8_kernel_works(device: torch.device, dtype: torch.dtype, inputs: int, outputs: int) -> bool:
    """Whether the kernel takes a shape and computes there what the unpacked matrix gives, tried once."""
    # Of torch 2.13 the CPU's kernel crashes the process in bfloat16 if the inputs are no multiple of 16.
    if dtype not in _KERNEL_DTYPES.get(device.type, ()) or inputs % 64:
        return False
    generator = torch.Generator(device).manual_seed(0)
    layer = Int8Linear(inputs, outputs, None, dtype).to(device)
    layer.weight.random_(-127, 128, generator=generator)
    layer.scale.uniform_(0.5, 1.5, generator=generator)
    rows = torch.randn((2, inputs), dtype=torch.float32, device=device, generator=generator).to(dtype)
    try:
        product = torch._weight_int8pack_mm(rows, layer.weight, layer.scale.flatten())
    except (RuntimeError, AttributeError) as error:
        _log.warning("8-bit weights of %d x %d are unpacked for each product: %s", outputs, inputs, error)
        return False
    return _is_close(product, linear(rows, layer.dequantized(dtype)))


def _agrees(layer: Int4KernelLinear, plain: GroupedLinear, generator: torch.Generator) -> bool:
    rows = torch.randn((3, layer.in_features), device=generator.device, generator=generator).bfloat16()
    return _is_close(layer(rows), plain(rows))


def _is_close(product: torch.Tensor, expected: torch.Tensor) -> bool:
    error = (product.float() - expected.float()).norm() / expected.float().norm()
    return bool(error < _KERNEL_TOLERANCE)


def _kernel_group_size(group_size: int) -> int:
    """The largest size that a kernel knows and that divides the groups; 0 if there is none."""
    return next((size for size in _KERNEL_GROUP_SIZES if group_size % size == 0), 0)


def _pack_for_kernel(codes: torch.Tensor) -> torch.Tensor:
    packed: torch.Tensor
    if codes.device.type == "cpu":
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    else:
        pairs = codes[:, ::2] << 4 | codes[:, 1::2]
        packed = torch.ops.aten._convert_weight_to_int4pack(pairs.contiguous(), _CUDA_INNER_K_TILES)
    return packed


def _ordered(hidden: torch.Tensor, order: torch.Tensor | None) -> torch.Tensor:
    return hidden if order is None else hidden.index_select(-1, order)


def _plain_dtype(hidden: torch.Tensor) -> torch.dtype:
    """In which numbers to multiply. CPUs turn codes into float16 so slowly that float32 takes a third of the time."""
    is_slow = hidden.dtype is torch.float16 and hidden.device.type == "cpu"
    return torch.float32 if is_slow else hidden.dtype


def _plain_product(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    bias = None if bias is None else bias.to(weight.dtype)
    return linear(hidden.to(weight.dtype), weight, bias).to(hidden.dtype)


def _finished(product: torch.Tensor, bias: torch.Tensor | None, hidden: torch.Tensor) -> torch.Tensor:
    if bias is not None:
        product = product + bias
    return product.view(*hidden.shape[:-1], -1)
