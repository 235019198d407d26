"""A load without torch's compilers, whose imports take a third of the time in which an engine starts.

transformers marks functions for `torch.compile` and knows of tensors that several processes share; torch marks some of
its own. So a load imports torch._dynamo, torch.distributed.tensor and Triton. On one CPU nothing of these ever runs.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_QUESTION = "is_torch_distributed_available"
_DYNAMO = "torch._dynamo"
_FOLDER = Path(torch.__file__).with_name("_dynamo")


@contextlib.contextmanager
def compilers_left_out() -> Iterator[None]:
    """While it is held, torch and transformers import no compilers. Whoever wants them later gets the real ones."""
    from transformers import utils

    knowing = [vars(utils), vars(utils.import_utils)]
    is_available = knowing[0][_QUESTION]
    is_left_out = _DYNAMO not in sys.modules
    for module in knowing:
        module[_QUESTION] = _is_not_available
    if is_left_out:
        sys.modules[_DYNAMO] = _Marks(_DYNAMO)
    try:
        yield
    finally:
        for module in knowing:
            module[_QUESTION] = is_available
        if is_left_out:
            del sys.modules[_DYNAMO]


class _Marks(ModuleType):
    """Stands in for the package torch._dynamo. Modules in it are the real ones; functions return what they mark."""

    __path__ = [str(_FOLDER)]  # noqa: RUF012 - as every package has it

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _mark


def _mark(function: Callable[..., Any] | None = None, *_args: object, **_options: object) -> Callable[..., Any]:
    return _mark if function is None else function


def _is_not_available() -> bool:
    return False
