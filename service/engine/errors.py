"""Reasons that keep a checkpoint from being served, and a step from being run."""

import torch


class UnsupportedModelError(ValueError):
    """The engine would not compute what the model's class computes, and why."""


def is_out_of_memory(error: Exception) -> bool:
    """Tells if there was not enough memory, for which torch has an error of its own on CUDA only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    texts = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
