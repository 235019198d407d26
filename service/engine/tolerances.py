"""The distance of two results, and how far rounding takes those of one operation."""

import torch

_TOLERANCES = {torch.bfloat16: 1e-2, torch.float16: 2e-3}
_TOLERANCE = 1e-5


def tolerance_of(dtype: torch.dtype) -> float:
    """The relative error up to which two ways to compute one operation in a dtype differ by rounding only."""
    return _TOLERANCES.get(dtype, _TOLERANCE)


def relative_error(ours: torch.Tensor, expected: torch.Tensor) -> float:
    """norm(ours - expected) / norm(expected), of tensors of one shape; 0 if they are equal, NaN if either has one."""
    ours, expected = ours.float(), expected.float()
    difference = (ours - expected).norm()
    return float(difference / expected.norm()) if difference else 0.0
