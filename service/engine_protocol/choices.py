"""Ways to compute that were tried on this machine, and which of them are used."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.engine_protocol.acceleration import Acceleration


class TrialOutcome(enum.StrEnum):
    """What came of trying a way."""

    USED = "used"
    SLOWER = "slower"  # right, and another is quicker
    WRONG = "wrong"  # not what the plain way computes
    FAILED = "failed"  # it raised an error, or its process ended
    TOO_LONG = "took too long"
    UNTRIED = "not tried"  # there was no time left


@dataclass(frozen=True, slots=True)
class Tried:
    """A way to do something, as a trial has found it.

    Attributes:
        what: What it does: "products", "threads", "activations", "accelerations", "prefill" or "kernels".
        way: Its name.
        outcome: What came of it.
        detail: Why, if there is more to say.
        times_us: Numbers of rows, ascending, and how long a step of so many takes that way, in microseconds; of
            products and threads only the step's products. Empty if it was not timed.
        graphs_bytes: The device's memory that recording its largest step has taken, and that of all others; of as many
            layers as were tried.
    """

    what: str
    way: str
    outcome: TrialOutcome
    detail: str = ""
    times_us: tuple[tuple[int, float], ...] = ()
    graphs_bytes: tuple[int, int] = (0, 0)

    @property
    def is_right(self) -> bool:
        """Whether it computes what the plain way does, and was timed."""
        return self.outcome in (TrialOutcome.USED, TrialOutcome.SLOWER) and bool(self.times_us)

    @property
    def mean_time_us(self) -> float:
        """The geometric mean of its times: each number of rows counts alike."""
        return math.exp(sum(math.log(time_us) for _, time_us in self.times_us) / len(self.times_us))


@dataclass(frozen=True, slots=True)
class Choices:
    """What an engine uses, as trials have found it.

    Attributes:
        products: The name of the way to multiply; empty for the default.
        num_threads: The number of CPU threads; 0 for the default.
        accelerations: The ways to be faster.
        graphs_bytes: The device's memory that CUDA graphs of the whole model are to have; 0 if that was not measured.
        tried: All ways that were tried; empty if none was.
    """

    products: str = ""
    num_threads: int = 0
    accelerations: frozenset[Acceleration] = frozenset()
    graphs_bytes: int = 0
    tried: tuple[Tried, ...] = ()


def table(tried: Sequence[Tried]) -> list[str]:
    """The lines of a table of ways, one for each; times are in milliseconds."""
    counts = sorted({rows for each in tried for rows, _ in each.times_us})
    headings = ("what", "way", *(f"{rows} row{'s' if rows > 1 else ''}, ms" for rows in counts), "outcome")
    rows = [headings, *(_cells(each, counts) for each in tried)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cells(tried: Tried, counts: Sequence[int]) -> tuple[str, ...]:
    times_us = dict(tried.times_us)
    times = (f"{times_us[rows] / 1e3:.2f}" if rows in times_us else "-" for rows in counts)
    return tried.what, tried.way, *times, f"{tried.outcome}: {tried.detail}" if tried.detail else str(tried.outcome)
