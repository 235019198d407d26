"""Rounds in which every engine of a precision is asked in turn, and what they gave."""

import contextlib
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers.cases import CASES, Case, rates
from bench.peers.contestants import Contestant
from bench.peers.engine_process import WorkerProcess
from bench.peers.environments import MissingPeerError
from bench.peers.weights import Cache
from bench.peers.workers.memory_reader import NUM_BYTES

VOCAB_SIZE = 32_000


@dataclass(frozen=True)
class Setup:
    """Where and how often.

    Attributes:
        cache: Environments and weights.
        checkout: Whose engine is measured.
        core: Where all engines run.
        rounds: After one that warms up.
    """

    cache: Cache
    checkout: Path
    core: int
    rounds: int


@dataclass
class Figures:
    """What came of the engines of one precision.

    Attributes:
        rates: Tokens per second of each engine and column, a number for each round.
        peak_mib: The most memory that each engine's process had.
        missing: Why others were not measured.
        bytes_per_s: How fast one thread read memory in each round.
    """

    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    bytes_per_s: list[float] = field(default_factory=list)

    def add(self, name: str, found: dict[str, float], peak_mib: float) -> None:
        """Keeps an engine's rates of a round."""
        columns = self.rates.setdefault(name, {})
        for column, rate in found.items():
            columns.setdefault(column, []).append(rate)
        self.peak_mib[name] = peak_mib

    def drop(self, name: str, reason: str) -> None:
        """Forgets what an engine gave that did not last."""
        self.rates.pop(name, None)
        self.peak_mib.pop(name, None)
        self.missing[name] = reason
        print(f"{name}: {reason}", file=sys.stderr, flush=True)


def prepare(contestants: Sequence[Contestant], setup: Setup) -> None:
    """Installs packages and converts weights, so that nothing of it falls on what is measured."""
    for contestant in contestants:
        with contextlib.suppress(MissingPeerError):  # its row says so
            setup.cache.python_of(contestant.environment)
            setup.cache.weights(contestant.weights)


def measure(contestants: Sequence[Contestant], setup: Setup) -> Figures:
    """Starts all of them, and asks each in turn, round after round. One that fails costs its own row."""
    figures = Figures()
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(contextlib.closing(start_reader(setup)))
        running: dict[str, WorkerProcess] = {}
        for contestant in contestants:
            with _missing_noted(figures, contestant.name):
                process = start(contestant, setup)
                running[contestant.name] = stack.enter_context(contextlib.closing(process))
        for number in range(setup.rounds + 1):
            print(f"round {number} of {setup.rounds}" if number else "warming up", file=sys.stderr, flush=True)
            if number:
                figures.bytes_per_s.append(read_rate(reader))
            for name, process in running.items():
                if name not in figures.missing:
                    with _missing_noted(figures, name):
                        _ask(figures, name, process, number)
    return figures


def start(contestant: Contestant, setup: Setup) -> WorkerProcess:
    """Starts an engine, for which its packages are installed and its weights converted if they are not there.

    Raises:
        MissingPeerError: It can't be had, or does not start.
    """
    weights = setup.cache.weights(contestant.weights)
    checkout_python = setup.checkout / ".venv" / "bin" / "python"
    python = checkout_python if contestant.is_ours else setup.cache.python_of(contestant.environment)
    return _start(python, contestant.worker, {"weights": str(weights), **contestant.options}, setup, contestant.name)


def start_reader(setup: Setup) -> WorkerProcess:
    """Starts what measures the memory."""
    return _start(Path(sys.executable), "memory_reader", {}, setup, "memory reader")


def _start(python: Path, module: str, options: dict[str, Any], setup: Setup, name: str) -> WorkerProcess:
    logs = setup.cache.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return WorkerProcess(python, module, options | {"core": setup.core}, setup.checkout, logs / f"{name}.log")


def read_rate(reader: WorkerProcess) -> float:
    """Bytes that one thread reads in a second, the median of a few readings."""
    (times_s,) = reader.ask(prompts=[], num_new_tokens=0)["times_s"]
    return NUM_BYTES / statistics.median(times_s)


def _ask(figures: Figures, name: str, process: WorkerProcess, number: int) -> None:
    """A round of one engine. The first only warms up: caches of keys and values have then been written once."""
    for case in CASES:
        found, peak_mib = timed(process, case, seed=number)
        if number:
            figures.add(name, found, peak_mib)


def timed(process: WorkerProcess, case: Case, seed: int) -> tuple[dict[str, float], float]:
    """The rates of a case, and the most memory that the engine's process has had, in MiB.

    Raises:
        MissingPeerError: The engine died, or gave another number of tokens than was asked for.
    """
    answer = process.ask(prompts=case.prompts(VOCAB_SIZE, seed), num_new_tokens=case.num_new_tokens)
    try:
        return rates(case, answer["times_s"]), answer["peak_mib"]
    except ValueError as error:
        raise MissingPeerError(str(error)) from error


@contextlib.contextmanager
def _missing_noted(figures: Figures, name: str) -> Iterator[None]:
    try:
        yield
    except MissingPeerError as error:
        figures.drop(name, str(error))
