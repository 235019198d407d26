"""Weights of 4 and 8 bits in groups through PyTorch's kernels for 4 bits, where these exist and are worth it."""

import functools

import torch
from torch import nn

from service.engine.device import is_cpu, is_cuda
from service.engine.linears.codes import CodesLinear, codes_linear
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.operator_trial import works
from service.engine.linears.quantized import GroupedLinear, finished, ordered

_GROUP_SIZES = (256, 128, 64, 32)
_CUDA_INNER_K_TILES = 8


class Int4KernelLinear(nn.Module):
    """Weights of 4 bits in the layout of PyTorch's kernels ("tinygemm"), which only they can read.

    Args:
        weights: The weights, of 4 bits and in a shape for which `int4_kernel_works`; it computes in bfloat16.
    """

    _packed: torch.Tensor
    _scales_and_zeros: torch.Tensor
    _order: torch.Tensor | None

    def __init__(self, weights: GroupedWeights) -> None:
        super().__init__()
        self.out_features, self.in_features = weights.codes.shape
        self.bias = weights.bias
        self._group_size = _kernel_group_size(weights.group_size)
        repeats = weights.group_size // self._group_size
        rounded = weights.scales.bfloat16().float()
        # The kernels compute scale * (code - 8) + zero.
        pairs = torch.stack((rounded, (8 - weights.zeros.float()) * rounded), dim=-1).repeat_interleave(repeats, dim=1)
        self.register_buffer("_packed", _pack_for_kernel(weights.codes))
        self.register_buffer("_scales_and_zeros", pairs.transpose(0, 1).bfloat16().contiguous())
        self.register_buffer("_order", weights.order)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        rows = ordered(hidden, self._order).reshape(-1, self.in_features).contiguous()
        multiply = (
            torch.ops.aten._weight_int4pack_mm_for_cpu if is_cpu(rows.device) else torch.ops.aten._weight_int4pack_mm
        )
        return finished(multiply(rows, self._packed, self._group_size, self._scales_and_zeros), self.bias, hidden)


class HalvesKernelLinear(nn.Module):
    """Weights of 8 bits, as two layers of 4: one has the higher half of each code and zero, one the lower.

    One row by 2048 x 2048 takes 0.23 ms on a CPU, unpacked for the product 2.0 ms; 128 rows take 12.5 ms and 4.2 ms
    (torch 2.13, bfloat16, one thread of an AMD EPYC with AVX-512, while tests ran beside it).

    Args:
        weights: As `Int4KernelLinear`'s, but of 8 bits.
    """

    _order: torch.Tensor | None

    def __init__(self, weights: GroupedWeights) -> None:
        super().__init__()
        codes, scales, zeros = weights.codes, weights.scales, weights.zeros.float()
        self.out_features, self.in_features = codes.shape
        high_zeros = (zeros / 16).floor()
        self._high = Int4KernelLinear(GroupedWeights(codes >> 4, 16 * scales, high_zeros, 4))
        self._low = Int4KernelLinear(GroupedWeights(codes & 15, scales, zeros - 16 * high_zeros, 4, weights.bias))
        self.register_buffer("_order", weights.order)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        hidden = ordered(hidden, self._order)
        product: torch.Tensor = self._high(hidden)
        product += self._low(hidden)
        return product


def make_grouped_linear(
    weights: GroupedWeights, dtype: torch.dtype
) -> CodesLinear | GroupedLinear | Int4KernelLinear | HalvesKernelLinear:
    """The layer that is best for a matrix on its device; arguments as `GroupedLinear`'s."""
    return codes_linear(weights, dtype) or make_torch_linear(weights, dtype)


def make_torch_linear(
    weights: GroupedWeights, dtype: torch.dtype
) -> GroupedLinear | Int4KernelLinear | HalvesKernelLinear:
    """The same without compiled code of our own."""
    outputs, inputs = weights.codes.shape
    if int4_kernel_works(weights.codes.device, dtype, inputs, outputs, weights.group_size):
        return Int4KernelLinear(weights) if weights.bits == 4 else HalvesKernelLinear(weights)
    return GroupedLinear(weights, dtype)


@functools.cache
def int4_kernel_works(device: torch.device, dtype: torch.dtype, inputs: int, outputs: int, group_size: int) -> bool:
    """Tells if `Int4KernelLinear` takes a shape and computes there what `GroupedLinear` computes, tried once."""
    # CUDA's reads tiles of 128 inputs, the CPU's whole groups.
    num_inputs = _GROUP_SIZES[-1] if is_cpu(device) else 128
    is_shape_known = outputs % 16 == 0 and inputs % num_inputs == 0 and _kernel_group_size(group_size) > 0
    # In float16 the kernel of CUDA does not exist either.
    if dtype is not torch.bfloat16 or not (is_cpu(device) or is_cuda(device)) or not is_shape_known:
        return False
    generator = torch.Generator(device).manual_seed(0)
    shape = (outputs, inputs // group_size)
    codes, zeros = (
        torch.randint(16, size, dtype=torch.uint8, device=device, generator=generator)
        for size in ((outputs, inputs), shape)
    )
    scales = torch.rand(shape, device=device, generator=generator) + 0.5
    weights = GroupedWeights(codes, scales, zeros, 4)
    plain = GroupedLinear(weights, dtype)
    rows = torch.randn((3, inputs), device=device, generator=generator).bfloat16()
    otherwise = f"4-bit weights of {outputs} x {inputs} are unpacked for each product"
    return works(lambda: [Int4KernelLinear(weights)(rows)], [plain(rows)], otherwise)


def _kernel_group_size(group_size: int) -> int:
    """The largest size that a kernel knows and that divides the groups; 0 if there is none."""
    return next((size for size in _GROUP_SIZES if group_size % size == 0), 0)


def _pack_for_kernel(codes: torch.Tensor) -> torch.Tensor:
    packed: torch.Tensor
    if is_cpu(codes.device):
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes.int(), 1)
    else:
        pairs = codes[:, ::2] << 4 | codes[:, 1::2]
        packed = torch.ops.aten._convert_weight_to_int4pack(pairs.contiguous(), _CUDA_INNER_K_TILES)
    return packed
