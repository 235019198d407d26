"""Random matrices of codes, the same in plain numbers, and rows for them."""

import torch
from hypothesis import strategies as st

from service.engine.native.codes import Codes


@st.composite
def matrices(draw: st.DrawFn, max_outputs: int = 70) -> Codes:
    bits, outputs = draw(st.sampled_from((4, 8))), draw(st.integers(1, max_outputs))
    group_size, groups = (
        draw(st.one_of(st.integers(1, 300), st.sampled_from((16, 32, 64, 128)))),
        draw(st.integers(1, 4)),
    )
    zeros = draw(st.sampled_from(("centre", "codes", "numbers")))
    return made(outputs, group_size, groups, bits, zeros, draw(st.booleans()), draw(st.booleans()))


def made(
    outputs: int,
    group_size: int,
    groups: int = 1,
    bits: int = 8,
    zeros: str = "centre",
    is_ordered: bool = True,
    has_bias: bool = False,
    are_half: bool = True,
) -> Codes:
    generator = torch.Generator().manual_seed(outputs * 1_000 + group_size * groups)
    size, inputs = (outputs, groups), group_size * groups
    scales = torch.rand(size, generator=generator) * 0.01 + 0.001
    found = {
        "centre": None,
        "codes": torch.randint(2**bits, size, generator=generator),
        "numbers": torch.rand(size, generator=generator) * 2**bits - 1.5,
    }
    return Codes(
        codes=torch.randint(2**bits, (outputs, inputs), dtype=torch.uint8, generator=generator),
        scales=scales.half() if are_half else scales,
        zeros=found[zeros],
        bits=bits,
        bias=torch.randn(outputs, generator=generator) if has_bias else None,
        order=None if is_ordered else torch.randperm(inputs, generator=generator),
    )


def plain(codes: Codes) -> torch.Tensor:
    """The matrix in plain numbers, float64, for inputs as rows have them."""
    outputs, inputs = codes.codes.shape
    zeros = torch.full(codes.scales.shape, float(1 << codes.bits - 1)) if codes.zeros is None else codes.zeros
    groups = codes.codes.view(outputs, codes.scales.shape[1], -1).double()
    weight = ((groups - zeros[:, :, None]) * codes.scales[:, :, None].double()).view(outputs, inputs)
    return weight if codes.order is None else weight[:, torch.argsort(codes.order)]


def rows_for(codes: Codes, num_rows: int) -> torch.Tensor:
    return torch.randn(num_rows, codes.codes.shape[1], generator=torch.Generator().manual_seed(num_rows))


def size_of(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What the products of one pair of numbers add up to without signs' luck: [rows, outputs]."""
    return rows.double().norm(dim=1)[:, None] * weight.norm(dim=1)[None]
