"""Tries ways to multiply by a model's matrices: right first, then how long they take."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import linear

from service.engine.linears.onednn import Products
from service.engine.tolerances import relative_error, tolerance_of
from service.engine.trials.shapes import Matrix

_MOST_NUMBERS = 8 << 20
"""Of a larger matrix only the first outputs are multiplied by, and the time is that share of the whole's."""

_WORKING_BYTES = 48 << 20
"""A step reads each matrix once, so a small one is there several times: one that stays in the cache is no measure."""

_MOST_HEAD_ROWS = 16
_LEAST_CALLS, _SLOW_CALL_S = 3, 0.05


Layer = Callable[[torch.Tensor], torch.Tensor]
"""Multiplies rows [N, inputs] by a matrix."""


class WrongProductError(Exception):
    """A product differs from the plain one by more than rounding explains; the message says by how much."""


@dataclass(frozen=True, slots=True)
class ProductTrial:
    """The settings of a trial of products.

    Attributes:
        products: The way to multiply.
        dtype: Of rows, weights and results.
        rows: Numbers of rows, ascending.
        each_s: For how long each product is timed, in seconds.
        counts_waits: Whether a product that waits for a preempted thread counts as it is; else the median does not see
            it.
    """

    products: Products
    dtype: torch.dtype
    rows: tuple[int, ...]
    each_s: float = 0.02
    counts_waits: bool = False


@torch.inference_mode()
def time_products(
    trial: ProductTrial, matrices: Iterable[Matrix], clock: Callable[[], float] = time.perf_counter
) -> dict[int, float]:
    """The time of all products of a step in microseconds, by its number of rows.

    Raises:
        WrongProductError: One is wrong.
        RuntimeError, AttributeError: This PyTorch, or this processor, can't multiply like that.
    """
    times_us = dict.fromkeys(trial.rows, 0.0)
    for matrix in matrices:
        layers, scale = _layers(trial, matrix)
        timed: dict[int, float] = {}
        for count in trial.rows:
            num_rows = count if matrix.has_every_row else min(count, _MOST_HEAD_ROWS)
            if num_rows not in timed:
                timed[num_rows] = _time(layers, _random(num_rows, matrix.inputs, trial.dtype), trial, clock)
            times_us[count] += 1e6 * scale * matrix.num_layers * timed[num_rows]
    return times_us


def _layers(trial: ProductTrial, matrix: Matrix) -> tuple[list[Layer], float]:
    """Some layers of a size, of which the first is compared; and what to multiply their times by."""
    outputs = min(matrix.outputs, max(1, _MOST_NUMBERS // matrix.inputs))
    num_bytes = outputs * matrix.inputs * trial.dtype.itemsize
    num_layers = max(1, min(matrix.num_layers, -(-_WORKING_BYTES // num_bytes)))
    weight = _random(outputs, matrix.inputs, trial.dtype)
    layers = [_layer(weight.clone(), trial.products) for _ in range(num_layers)]
    for num_rows in trial.rows:
        _compare(layers[0], weight, _random(num_rows, matrix.inputs, trial.dtype))
    return layers, matrix.outputs / outputs


def _layer(weight: torch.Tensor, products: Products) -> Layer:
    if not products.takes(weight):
        raise RuntimeError("it does not take such weights")
    packed = products.pack(weight)
    return lambda rows: products.multiply(rows, packed, None)


def _compare(layer: Layer, weight: torch.Tensor, rows: torch.Tensor) -> None:
    """Compares with sums in float32 at least, which is what rounding leads away from."""
    exact = torch.promote_types(weight.dtype, torch.float32)
    expected, product = linear(rows.to(exact), weight.to(exact)), layer(rows)
    error, tolerance = relative_error(product, expected), tolerance_of(weight.dtype)
    if product.shape != expected.shape or not error <= tolerance:
        raise WrongProductError(f"{len(rows)} rows differ by {error:.1e}, more than {tolerance:.1e}")


def _time(layers: Sequence[Layer], rows: torch.Tensor, trial: ProductTrial, clock: Callable[[], float]) -> float:
    """The time of a product, in seconds."""
    first = _seconds(layers[0], rows, clock)
    if first > _SLOW_CALL_S:
        return first
    times = list(_times(itertools.cycle(layers), rows, trial.each_s, clock))
    return statistics.fmean(times) if trial.counts_waits else statistics.median(times)


def _times(layers: Iterable[Layer], rows: torch.Tensor, each_s: float, clock: Callable[[], float]) -> Iterator[float]:
    spent_s = 0.0
    for num_calls, layer in enumerate(layers):
        if num_calls >= _LEAST_CALLS and spent_s >= each_s:
            return
        time_s = _seconds(layer, rows, clock)
        spent_s += time_s
        yield time_s


def _seconds(layer: Layer, rows: torch.Tensor, clock: Callable[[], float]) -> float:
    start_s = clock()
    layer(rows)
    return clock() - start_s


def _random(num_rows: int, num_columns: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(num_rows)
    return torch.randn((num_rows, num_columns), generator=generator).to(dtype)
