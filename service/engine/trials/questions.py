"""Questions to a process that tries ways, one after the other; whatever becomes of that process, each has an answer."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from service.engine_protocol.choices import TrialOutcome, Tried
from service.work_lanes.line_process import LineProcess

LEAST_GAIN: Final = 0.03
"""By what part of its time a way has to be quicker than one that is preferred; less may be chance."""


@dataclass(frozen=True, slots=True)
class Question:
    """A way to be tried.

    Attributes:
        what, way: See `Tried`.
        asked: What the program needs to know, as JSON's values.
    """

    what: str
    way: str
    asked: Mapping[str, Any]

    def unanswered(self, outcome: TrialOutcome, detail: str) -> Tried:
        """The outcome of a way without an answer."""
        return Tried(self.what, self.way, outcome, detail)


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """The most time of trials, in seconds.

    Attributes:
        each_s: One way, with the start of its process.
        all_s: After how long no further way is tried.
    """

    each_s: float
    all_s: float


class Trials:
    """Asks a program about ways, as long as there is time. Each line that it reads is a question as JSON; see `_read`.

    Args:
        program: Its file, as `LineProcess` takes it. Its argument is how many seconds of the processor an answer takes
            at most.
        limits: How long it may take.
        tell: Is told how many ways are tried, and how many there are.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        program: Path,
        limits: TrialLimits,
        tell: Callable[[int, int], None] = lambda done, total: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._tell, self._clock = limits, tell, clock
        self._process = LineProcess(program, limits.each_s, str(math.ceil(limits.each_s)))
        self._ends_s = clock() + limits.all_s
        self._num_done = self._total = 0

    def __enter__(self) -> "Trials":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.close()

    def ask_all(self, questions: Iterable[Question]) -> list[Tried]:
        """The outcome of each way, none of them used yet."""
        asked = list(questions)
        self._total += len(asked)
        return [self._ask(question) for question in asked]

    def _ask(self, question: Question) -> Tried:
        started_s = self._clock()
        if started_s >= self._ends_s:
            return question.unanswered(TrialOutcome.UNTRIED, f"{self._limits.all_s:g} s had passed")
        asked = {"what": question.what, "way": question.way, **question.asked}
        answer = self._process.ask(json.dumps(asked))
        self._num_done += 1
        self._tell(self._num_done, self._total)
        if answer:
            return _read(question, answer)
        if self._clock() - started_s >= self._limits.each_s:
            return question.unanswered(TrialOutcome.TOO_LONG, f"{self._limits.each_s:g} s are allowed")
        return question.unanswered(TrialOutcome.FAILED, "its process ended")


def with_quickest(tried: list[Tried], least_gain: float = LEAST_GAIN) -> tuple[str, list[Tried]]:
    """Chooses among ways to do the same.

    Args:
        tried: The ways, those first that are preferred.
        least_gain: By what part of its time a way has to be quicker than one before it.

    Returns:
        The name of the one that is used, empty if none is right; and all of them, of which that is marked.
    """
    used: Tried | None = None
    for each in tried:
        if each.is_right and (used is None or each.mean_time_us < (1 - least_gain) * used.mean_time_us):
            used = each
    marked = [replace(each, outcome=TrialOutcome.USED) if each is used else each for each in tried]
    return ("" if used is None else used.way), marked


def _read(question: Question, answer: bytes) -> Tried:
    """Reads what the program answers: `times_us` and perhaps `graphs_bytes`, what is `wrong`, or how it `failed`."""
    try:
        told = json.loads(answer)
        if "wrong" in told:
            return question.unanswered(TrialOutcome.WRONG, str(told["wrong"]))
        if "failed" in told:
            return question.unanswered(TrialOutcome.FAILED, str(told["failed"]))
        times_us = tuple((int(rows), float(time_us)) for rows, time_us in told["times_us"].items())
        first_bytes, other_bytes = map(int, told.get("graphs_bytes", (0, 0)))
    except (ValueError, LookupError, TypeError, AttributeError):
        return question.unanswered(TrialOutcome.FAILED, "its answer can't be read")
    if not times_us or not all(0 < time_us < math.inf for _, time_us in times_us):
        return question.unanswered(TrialOutcome.FAILED, "its answer has no times")
    graphs_bytes = first_bytes, other_bytes
    return Tried(question.what, question.way, TrialOutcome.SLOWER, times_us=times_us, graphs_bytes=graphs_bytes)
