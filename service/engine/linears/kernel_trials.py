"""Triton's kernels for packed weights (`--accelerate linears`): tried on each shape, and used where they are quicker.

At other numbers of rows a layer multiplies as without: which these are is measured on each shape.
"""

import functools
import itertools
import logging
import subprocess
from collections.abc import Callable, Iterator, Set

import torch
from torch import nn

from service.engine.device import has_triton, num_multiprocessors
from service.engine.linears.operator_trial import is_close
from service.engine.linears.quantized import GroupedLinear, Int8Linear, Kernel

_log = logging.getLogger(__name__)

Layer = Int8Linear | GroupedLinear
Timer = Callable[[Callable[[], object]], float]
"""Tells how long a call takes, in any unit."""

MAX_ROWS = 64
"""The most rows that the kernels are made for."""

ALL_ROW_COUNTS = frozenset(range(1, MAX_ROWS + 1))

_TRIED_ROWS = (1, 3, 17, MAX_ROWS)
"""One for each way in which they are compiled."""

_TIMED_ROWS = (1, 2, 4, 8, 16, 32, MAX_ROWS)
_TIMED_MS = 10
"""The time for which each is timed: seven counts, with and without kernel, of five shapes take about two seconds."""


@torch.inference_mode()
def use_kernels(model: nn.Module, timer: Timer | None = None) -> None:
    """Lets a model's int8 layers and its 4-bit `GroupedLinear`s multiply few rows with kernels.

    Each shape is tried once. What fails or differs from the unpacked matrix goes on without, and a warning says why.

    Args:
        model: A model whose layers compute, on its device.
        timer: What times products with and without a kernel, to find at which numbers of rows it pays; by default that
            is CUDA's events. On a CPU, where kernels run in Triton's interpreter only, nothing is timed by default.
    """
    layers = packed_layers(model)
    found: dict[tuple[object, ...], Kernel | None] = {}
    for layer in layers:
        key = (type(layer), layer.in_features, layer.out_features, getattr(layer, "group_size", None))
        if key not in found:
            found[key] = _find_kernel(layer, timer)
        layer.kernel = found[key]
    torch.cuda.empty_cache()  # of unpacked matrices; nothing happens where CUDA is not used


def tried_kernel(layer: Layer, multiply: Callable[..., torch.Tensor], timer: Timer | None) -> Kernel | None:
    """Tries a product on a layer.

    Args:
        layer: A layer without a kernel.
        multiply: As `Kernel`'s.
        timer: As `use_kernels`'s; None for no limit but the kernels' own.

    Returns:
        The product with the numbers of rows at which it pays; None if it is wrong or never pays.
    """
    kernel = Kernel(multiply, ALL_ROW_COUNTS)
    for count in _TRIED_ROWS:
        rows = _random_rows(layer, count)
        if not is_close(_with(kernel, layer, rows), layer(rows)):
            _log.warning("%s goes without its kernel, which is wrong for %d rows", layer_name(layer), count)
            return None
    row_counts = ALL_ROW_COUNTS if timer is None else frozenset(_paying(layer, kernel, timer))
    _log.info("%s has a kernel for %s rows", layer_name(layer), ranges(row_counts) or "no")
    return Kernel(multiply, row_counts) if row_counts else None


def packed_layers(model: nn.Module) -> list[Layer]:
    """The layers of a model that the kernels are for."""
    return [
        module
        for module in model.modules()
        if isinstance(module, Int8Linear) or (isinstance(module, GroupedLinear) and module.bits == 4)
    ]


def _find_kernel(layer: Layer, timer: Timer | None) -> Kernel | None:
    try:
        multiply = make_product(layer)
        if timer is None and has_triton(_device(layer)):
            timer = cuda_timer()
    except ImportError as error:
        _log.warning("%s goes without a kernel: %s", layer_name(layer), error)
        return None
    if multiply is None:
        _log.warning("%s goes without a kernel: its groups don't fill whole steps of one", layer_name(layer))
        return None
    from triton.errors import TritonError

    try:
        return tried_kernel(layer, multiply, timer)
    # What compiling raises where something is missing, and launching where the device can't.
    except (TritonError, RuntimeError, ValueError, OSError, subprocess.SubprocessError) as error:
        _log.warning("%s goes without its kernel: %s: %s", layer_name(layer), type(error).__name__, error)
        return None


def make_product(layer: Layer) -> Callable[..., torch.Tensor] | None:
    """The product of the kernel that is made for a layer, to be tried; None if there is none for its groups."""
    # Not everywhere installed: PyTorch brings Triton with CUDA only.
    from service.engine.kernels import int4_linear, int8_linear

    count = num_multiprocessors(_device(layer))
    if isinstance(layer, Int8Linear):
        return functools.partial(int8_linear.int8_product, num_processors=count)
    if int4_linear.can_multiply(layer.in_features, layer.group_size):
        return functools.partial(int4_linear.int4_product, num_processors=count)
    return None


def _paying(layer: Layer, kernel: Kernel, timer: Timer) -> Iterator[int]:
    """The numbers of rows at which the kernel is not slower; those between two that are timed are as the larger one."""
    for before, count in itertools.pairwise((0, *_TIMED_ROWS)):
        rows = _random_rows(layer, count)
        if timer(functools.partial(_with, kernel, layer, rows)) <= timer(functools.partial(layer, rows)):
            yield from range(before + 1, count + 1)


def ranges(counts: Set[int]) -> str:
    """Numbers as a list of ranges, such as "1, 9-64"."""
    starts = sorted(count for count in counts if count - 1 not in counts)
    ends = sorted(count for count in counts if count + 1 not in counts)
    return ", ".join(str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))


def _with(kernel: Kernel, layer: Layer, rows: torch.Tensor) -> torch.Tensor:
    layer.kernel = kernel
    try:
        output: torch.Tensor = layer(rows)
        return output
    finally:
        layer.kernel = None


def _random_rows(layer: Layer, count: int) -> torch.Tensor:
    generator = torch.Generator(_device(layer)).manual_seed(count)
    return torch.randn((count, layer.in_features), device=generator.device, generator=generator).to(layer.dtype)


def _device(layer: Layer) -> torch.device:
    return next(layer.buffers()).device


def cuda_timer() -> Timer:
    """Times replays of a CUDA graph with events, in ms, so that starting kernels does not count; between replays the
    cache is overwritten.

    Raises:
        ImportError: Triton is not installed.
    """
    from triton.testing import do_bench

    def timer(call: Callable[[], object]) -> float:
        call()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return float(do_bench(graph.replay, warmup=1, rep=_TIMED_MS, return_mode="median"))

    return timer


def layer_name(layer: Layer) -> str:
    """What a log calls all layers of a size."""
    bits = 8 if isinstance(layer, Int8Linear) else layer.bits
    return f"a {bits}-bit layer of {layer.out_features} x {layer.in_features}"
