"""The ways to multiply by matrices of plain numbers on a CPU, by name, and which of them layers are made with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch

from service.engine.linears.fbgemm import Fp16Products
from service.engine.linears.native_products import NATIVE, packed_products_for
from service.engine.linears.onednn import LINEAR, ONEDNN, Products

WAYS: Final[Mapping[str, Products]] = {"native": NATIVE, "linear": LINEAR, "onednn": ONEDNN, "fbgemm": Fp16Products()}

_CANDIDATES: Final[Mapping[torch.dtype, tuple[str, ...]]] = {
    torch.float32: ("native", "onednn", "linear"),
    torch.bfloat16: ("native", "linear", "onednn", "fbgemm"),
    torch.float16: ("native", "linear", "fbgemm"),
}

_chosen: ContextVar[str] = ContextVar("chosen", default="")


def ways_of(dtype: torch.dtype) -> tuple[str, ...]:
    """The names of the ways that may be the quickest for a dtype, those first that are preferred; may be none."""
    return _CANDIDATES.get(dtype, ())


@contextmanager
def products_chosen(way: str) -> Iterator[None]:
    """Layers that are made within multiply this way if they can; an empty name is the default."""
    token = _chosen.set(way if way in WAYS else "")
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen_products(weights: Sequence[torch.Tensor]) -> Products:
    """The way to multiply by weights that become one: the chosen one if that takes all, else `packed_products_for`."""
    chosen = WAYS.get(_chosen.get())
    if chosen is not None and all(map(chosen.takes, weights)):
        return chosen
    return packed_products_for(weights[0])
