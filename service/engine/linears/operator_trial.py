"""Tries operators that PyTorch documents nowhere, which it may change or drop in any version, before they are used."""

import logging
from collections.abc import Callable

import torch

_log = logging.getLogger(__name__)

_TOLERANCE = 1e-2
"""In norm(tried - expected) / norm(expected); bfloat16 has 2e-3."""


def works(attempt: Callable[[], torch.Tensor], expected: torch.Tensor, otherwise: str) -> bool:
    """Tells if an operator gives what is expected but for rounding; a warning says if it does not.

    Args:
        attempt: Calls the operator, which may be missing, refuse its arguments or fail.
        expected: What it has to give.
        otherwise: What is done without it, for the warning.
    """
    try:
        if is_close(attempt(), expected):
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
    error = (product.float() - expected.float()).norm() / expected.float().norm()
    return bool(error < _TOLERANCE)
