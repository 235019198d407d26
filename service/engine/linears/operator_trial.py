"""Tries operators that PyTorch documents nowhere, which it may change or drop in any version, before they are used."""

import logging
from collections.abc import Callable, Sequence

import torch

from service.engine.tolerances import relative_error, tolerance_of

_log = logging.getLogger(__name__)


def works(attempt: Callable[[], Sequence[torch.Tensor]], expected: Sequence[torch.Tensor], otherwise: str) -> bool:
    """Tells if an operator gives what is expected but for rounding; a warning says if it does not.

    Args:
        attempt: Calls the operator, which may be missing, refuse its arguments or fail, for one product or several.
        expected: What it has to give for each.
        otherwise: What is done without it, for the warning.
    """
    try:
        if all(is_close(product, other) for product, other in zip(attempt(), expected, strict=True)):
            return True
        reason = "the product is wrong"
    except Exception as error:
        first_line, _, _ = str(error).partition("\n")  # schemas or C++ frames follow
        reason = f"{type(error).__name__}: {first_line}"
    _log.warning("%s: %s", otherwise, reason)
    return False


def is_close(product: torch.Tensor, expected: torch.Tensor) -> bool:
    """Tells if a product is the expected one but for rounding, in the same shape and dtype."""
    if product.shape != expected.shape or product.dtype != expected.dtype:
        return False
    return relative_error(product, expected) <= tolerance_of(expected.dtype)
