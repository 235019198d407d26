"""Products with weights of 16 bits and sums in float32, by fbgemm: for processors that only emulate bfloat16.

fbgemm keeps weights in float16 and widens them in registers. Its operators are private; all calls of them are here.
"""

import functools
from typing import Any

import torch
from torch.nn.functional import linear

from service.engine.linears.onednn import Products
from service.engine.linears.operator_trial import works

_LARGEST = torch.finfo(torch.float16).max

_ROWS_AT_ONCE, _ROWS_OVER = 6, 3
"""fbgemm's kernels take up to so many rows at once. With that many over, a row's bits don't depend on the others."""


class Fp16Products(Products):
    """Products whose weight is kept in float16, for rows and results of any dtype."""

    def takes(self, weight: torch.Tensor) -> bool:
        """Tells if no number is too large for float16, and products are right."""
        return float(weight.abs().max()) <= _LARGEST and _is_right(self)

    def pack(self, weight: torch.Tensor) -> Any:
        """The weight in a layout that only `multiply` and `multiply_add` can read."""
        return torch.ops.quantized.linear_prepack_fp16(weight.float(), None)

    def multiply(self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None) -> torch.Tensor:
        """The product, [N, outputs], with a packed weight."""
        product = self._sums(rows, weight)
        return (product if bias is None else product.add_(bias)).to(rows.dtype)

    def multiply_add(
        self, rows: torch.Tensor, weight: Any, bias: torch.Tensor | None, residual: torch.Tensor
    ) -> torch.Tensor:
        """The same, added to [N, outputs]."""
        product = self._sums(rows, weight).add_(residual)
        return (product if bias is None else product.add_(bias)).to(residual.dtype)

    def _sums(self, rows: torch.Tensor, weight: Any) -> torch.Tensor:
        """The product in float32, without a bias."""
        num_rows = rows.shape[0]
        padded = torch.zeros((num_rows + (_ROWS_OVER - num_rows) % _ROWS_AT_ONCE, rows.shape[1]), dtype=torch.float32)
        padded[:num_rows] = rows
        product: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(padded, weight)
        return product[:num_rows]


@functools.cache
@torch.inference_mode()
def _is_right(products: Fp16Products) -> bool:
    """Tells if fbgemm is there and gives the products of `linear`."""
    generator = torch.Generator().manual_seed(0)
    weight, rows = (torch.randn(size, generator=generator).half().float() for size in ((48, 80), (17, 80)))
    otherwise = "matrices of 16 bits are multiplied without fbgemm"

    def attempt() -> list[torch.Tensor]:
        packed = products.pack(weight)
        return [products.multiply(rows[:count], packed, None) for count in (1, 17)]

    return works(attempt, [linear(rows[:count], weight) for count in (1, 17)], otherwise)
