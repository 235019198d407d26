"""Chooses for an engine on the CPU: the way to multiply, and the number of threads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from service.engine.linears.ways import ways_of
from service.engine.trials.questions import Question, Trials, with_quickest
from service.engine.trials.shapes import Matrix
from service.engine_protocol.choices import Choices

CPU_PROGRAM: Final = Path(__file__).with_name("cpu_program.py")

_PRODUCT_ROWS: Final = (1, 4, 16, 64, 256)
_THREAD_ROWS: Final = (1, 16)

_PLAIN_WAY: Final = "linear"
"""With which threads are tried where there is no other."""

_LEAST_GAIN_OF_PRODUCTS: Final = 0.15
"""With the first way that there is, the rest of a step is quicker too: compiled code of our own runs it in one call."""

_LEAST_GAIN_OF_THREADS: Final = 0.1
"""More threads leave less of the machine to others, so they have to be worth it."""


@dataclass(frozen=True, slots=True)
class CpuModel:
    """The facts that a choice is made for.

    Attributes:
        matrices: Its matrices; with none, nothing is tried.
        dtype: The name of the torch dtype that it computes in.
        is_plain: Whether its matrices are of plain numbers; of quantized ones only the threads are tried.
        num_threads: How many threads it has if nothing else is found.
        thread_counts: Numbers of threads to try, those first that are preferred; none if somebody has said how many.
    """

    matrices: tuple[Matrix, ...]
    dtype: str
    is_plain: bool
    num_threads: int
    thread_counts: tuple[int, ...]


def choose_on_cpu(model: CpuModel, trials: Trials) -> Choices:
    """Tries what there is to choose from, on the model's own shapes."""
    if not model.matrices:
        return Choices()
    known: Mapping[str, Any] = {"matrices": model.matrices, "dtype": model.dtype}
    ways = ways_of(getattr(torch, model.dtype)) if model.is_plain else ()
    asked = {**known, "rows": _PRODUCT_ROWS, "num_threads": model.num_threads}
    products, tried = with_quickest(
        trials.ask_all(Question("products", way, asked) for way in ways), _LEAST_GAIN_OF_PRODUCTS
    )
    asked = {**known, "rows": _THREAD_ROWS, "products": products or _PLAIN_WAY}
    counts = model.thread_counts if len(model.thread_counts) > 1 else ()
    threads, tried_threads = with_quickest(
        trials.ask_all(Question("threads", str(count), asked) for count in counts), _LEAST_GAIN_OF_THREADS
    )
    return Choices(products, int(threads or 0), tried=(*tried, *tried_threads))


def thread_counts(num_cores: int, num_physical: int) -> tuple[int, ...]:
    """Numbers of threads to try: one fewer than there are cores, all of them, one for each physical core, and half."""
    return tuple(dict.fromkeys((max(1, num_cores - 1), num_cores, num_physical, max(1, num_cores // 2))))
