"""torch.compile for what stands between a decoder's matrix products, within a start-up budget.

Each of `layer_functions` becomes one or two kernels. Weights are arguments, so all layers share what is compiled, and
it is compiled twice: for one row, and for any number of rows. What can't be compiled in time, or computes something
else, is left out, and the log says why. Compiled code is kept on the disk, so that a later start only reads it. After
the start nothing is compiled any more: arguments that nothing was compiled for go through the plain functions.

Each call checks that its arguments are those that it was compiled for, which takes the host longer than starting the
few kernels that it saves. So this pays where a CUDA graph leaves the host out, and in steps of many tokens.
"""

import logging
import os
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import torch

from service.engine.forward.fused_decoder import FusedDecoder
from service.engine.forward.layer_functions import PLAIN, LayerFunctions
from service.engine.progress import tell_progress
from service.engine.tolerances import relative_error, tolerance_of

_log = logging.getLogger(__name__)

BUDGET_S = 120.0
"""The time by which this may prolong a start. It is looked at between two functions, each of which takes seconds."""

_ROW_COUNTS = (1, 24)
"""Compilation takes a size for granted the first time that it sees it, and as variable when it sees another."""

_COMPILE_ERRORS = (RuntimeError, ImportError, OSError, ValueError, TypeError, AttributeError)
"""Errors of torch's compilers: without a C++ compiler or Triton, or for what they can't compile."""

Compiler = Callable[[Callable[..., Any]], Callable[..., Any]]


class _LeftOutError(Exception):
    """The plain functions are to be used; the message says why."""


def compile_layers(
    decoder: FusedDecoder, compiler: Compiler | None = None, clock: Callable[[], float] = time.monotonic
) -> Callable[..., torch.Tensor]:
    """Lets a decoder use compiled functions if that works.

    Args:
        decoder: The decoder.
        compiler: Makes one function faster; None for torch.compile.
        clock: Tells the time in seconds.

    Returns:
        What the decoder does, called as it is.
    """
    if compiler is None:
        keep_compiled_code(os.environ)
        compiler = _torch_compiler
    functions = LayerFunctions(compiler(PLAIN.rotate), compiler(PLAIN.gate), compiler(PLAIN.add_and_norm))
    try:
        _warm_up(decoder, functions, clock)
    except torch.AcceleratorError:
        raise  # the device is lost, for the plain functions too
    except (_LeftOutError, *_COMPILE_ERRORS) as error:
        _log.warning("layers are not compiled and run as without --accelerate layers: %s", error)
        return decoder
    decoder.use(functions)
    forward: Callable[..., torch.Tensor] = torch.compiler.set_stance("eager_on_recompile")(decoder.__call__)
    return forward


def keep_compiled_code(environment: MutableMapping[str, str]) -> None:
    """Makes PyTorch keep compiled code in the user's cache folder, not among temporary files, if it is not told where.

    Args:
        environment: The process's environment variables.
    """
    cache_home = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    environment.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(cache_home) / "runstream" / "inductor"))


@torch.inference_mode()
def _warm_up(decoder: FusedDecoder, functions: LayerFunctions, clock: Callable[[], float]) -> None:
    """Compiles each function for all numbers of rows, and compares what it gives."""
    start_s, names = clock(), ("rotate", "gate", "add_and_norm")
    pairs = [(num_rows, name) for num_rows in _ROW_COUNTS for name in names]
    for num_done, (num_rows, name) in enumerate(pairs, 1):
        arguments = getattr(decoder.example_calls(num_rows), name)
        _compare(name, getattr(functions, name)(*arguments), getattr(PLAIN, name)(*arguments))
        spent_s = clock() - start_s
        if spent_s > BUDGET_S:
            raise _LeftOutError(f"{num_done} of {len(pairs)} took {spent_s:.0f} s, and {BUDGET_S:.0f} s are allowed")
        tell_progress("compiling layers", num_done, len(pairs))


def _compare(name: str, ours: Any, expected: Any) -> None:
    """Raises if a compiled function gives something else than the plain one."""
    for one, other in zip(_tensors(ours), _tensors(expected), strict=True):
        error, tolerance = relative_error(one, other), tolerance_of(other.dtype)
        if not error <= tolerance:
            raise _LeftOutError(f"{name} compiled differs by {error:.1e}, more than {tolerance:.1e}")


def _tensors(result: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _torch_compiler(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, fullgraph=True)
