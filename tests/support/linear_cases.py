"""Products that the kernels of packed weights are tried on, here in Triton's interpreter and in tests/gpu on a GPU."""

from dataclasses import dataclass

import torch
from torch import nn

from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.kernel_trials import ALL_ROW_COUNTS, make_product
from service.engine.linears.quantized import GroupedLinear, Int8Linear, Kernel

TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""In norm(error) / norm(product), beside the product in float32 of what the layer was given."""


@dataclass(frozen=True)
class Case:
    """One product.

    Attributes:
        group_size: How many inputs share scale and zero of 4-bit weights; 0 for weights of 8 bits.
        is_act_order: Whether a group's inputs are spread over all.
    """

    outputs: int
    inputs: int
    group_size: int
    rows: int
    dtype: torch.dtype
    has_bias: bool = False
    is_act_order: bool = False

    def error(self, device: str) -> float:
        """Computes it with the kernel on a device, and tells how far it is from the product in float32 there."""
        generator = torch.Generator(device).manual_seed(0)
        with torch.inference_mode(), torch.device(device):
            layer, weight = self._int8(generator) if self.group_size == 0 else self._int4(generator)
            hidden = torch.randn(1, self.rows, self.inputs, generator=generator).to(self.dtype)
            expected = hidden.float() @ weight.t()
            if self.has_bias:
                bias = torch.randn(self.outputs, generator=generator).to(self.dtype)
                layer.bias = nn.Parameter(bias, requires_grad=False)
                expected += bias.float()
            multiply = make_product(layer)
            assert multiply is not None
            layer.kernel = Kernel(multiply, ALL_ROW_COUNTS)
            output = layer(hidden)
        assert output.shape == expected.shape
        assert output.dtype == self.dtype
        return float((output.float() - expected).norm() / expected.norm())

    def _int8(self, generator: torch.Generator) -> tuple[Int8Linear | GroupedLinear, torch.Tensor]:
        layer = Int8Linear(self.inputs, self.outputs, None, self.dtype)
        layer.weight.random_(-127, 128, generator=generator)
        layer.scale.uniform_(0.001, 0.002, generator=generator)
        return layer, layer.weight.float() * layer.scale.float()

    def _int4(self, generator: torch.Generator) -> tuple[Int8Linear | GroupedLinear, torch.Tensor]:
        shape = (self.outputs, self.inputs // self.group_size)
        codes, zeros = (
            torch.randint(16, size, dtype=torch.uint8, generator=generator)
            for size in ((self.outputs, self.inputs), shape)
        )
        scales = (torch.rand(shape, generator=generator) * 0.01).to(self.dtype)
        order = torch.randperm(self.inputs, generator=generator) if self.is_act_order else None
        layer = GroupedLinear(GroupedWeights(codes, scales, zeros, 4, order=order), self.dtype)
        scales, zeros = (it.float().repeat_interleave(self.group_size, 1) for it in (scales, zeros))
        weight = scales * (codes.float() - zeros)
        return layer, weight if order is None else weight[:, torch.argsort(order)]


_SMALL = [
    *[(64, 128, 0), (33, 70, 0), (100, 300, 0), (48, 640, 0)],
    *[(64, 256, 128), (33, 384, 128), (80, 192, 32), (40, 50, 50), (100, 512, 64), (48, 512, 256), (70, 1024, 1024)],
]
"""Outputs, inputs and group size: whole blocks of the kernels and parts of them, one split and several."""

_LARGE = [
    *[(12288, 4096, 0), (4096, 11008, 0), (28672, 4096, 0), (4100, 14336, 0), (1023, 4095, 0)],
    *[(12288, 4096, 128), (4096, 11008, 128), (28672, 4096, 128), (4096, 14336, 128), (4096, 4096, 32)],
    *[(1023, 4096, 64), (4096, 4096, 256), (1023, 4094, 4094)],
]
"""Those of Llama 2 7B and Llama 3.1 8B, joined and single, and some that fill no block."""


def cases(large: bool) -> list[Case]:
    """All cases.

    Args:
        large: Whether for a GPU, or for the interpreter with its milliseconds for each block.
    """
    shapes, rows = (_LARGE, (1, 2, 3, 16, 17, 33, 64)) if large else (_SMALL, (1, 3, 17, 64))
    found = [
        Case(*shape, count, dtype, has_bias=place % 2 == 1, is_act_order=place % 3 == 1 and shape[2] > 0)
        for place, shape in enumerate(shapes)
        for count in rows
        for dtype in (torch.float16, torch.bfloat16)
    ]
    return found + [Case(100, 512, group_size, count, torch.float32) for group_size in (0, 64) for count in (1, 5)]
