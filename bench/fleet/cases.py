"""Which fleets are simulated, and the file that keeps what was found of each."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.fleet.fleet import Outcome, Scenario
from bench.fleet.hardware import H200_8B
from bench.fleet.policies import POLICIES

_NUM_COUNTED = 20_000
_MIN_COUNTED_S = 15.0
_FAULTS_S = 600.0
_BASE = Scenario(hardware=H200_8B, num_replicas=16, requests_per_hour=0.0, policy="", warm_up_s=40.0)
_LOADS = (10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000)
_SIZES = (1, 4, 16, 64, 256)
_SIZED_LOAD = 30_000
_FLEETS_FOR = {1_000_000: (20, 25, 32, 40), 10_000_000: (200, 320, 1000)}


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario, and the part of the report that it belongs to."""

    part: str
    scenario: Scenario

    @property
    def key(self) -> str:
        """What tells it from all others, as JSON."""
        return json.dumps([self.part, asdict(self.scenario)], sort_keys=True)


Found = list[tuple[Case, Outcome]]
"""Cases with what came of them, in the order of the report."""


def cases(is_quick: bool) -> Iterator[Case]:
    """All that are simulated, part by part, each with every policy."""
    for part, scenario in _scenarios(is_quick):
        for policy in POLICIES:
            yield Case(part, replace(scenario, policy=policy))


def _scenarios(is_quick: bool) -> Iterator[tuple[str, Scenario]]:
    if is_quick:
        base = replace(_BASE, num_replicas=2, warm_up_s=5.0, duration_s=10.0, requests_per_hour=40_000)
        yield from (("load", base), ("size", base), ("faults", replace(base, is_rolling=True)))
        return
    for load in _LOADS:
        yield "load", _sized(_BASE.num_replicas, load * _BASE.num_replicas)
    for size in _SIZES:
        yield "size", _sized(size, _SIZED_LOAD * size)
    for load, sizes in _FLEETS_FOR.items():
        for size in sizes:
            yield f"{load:,} requests an hour", _sized(size, load)
    long = replace(_sized(_BASE.num_replicas, _SIZED_LOAD * _BASE.num_replicas), duration_s=_FAULTS_S)
    yield "faults", long
    yield "faults", replace(long, failures_per_hour=6.0)
    yield "faults", replace(long, is_rolling=True)


def _sized(num_replicas: int, requests_per_hour: float) -> Scenario:
    """A scenario in which enough requests count for a 99th percentile, after the warm-up."""
    counted_s = max(_MIN_COUNTED_S, _NUM_COUNTED / (requests_per_hour / 3600))
    return replace(
        _BASE,
        num_replicas=num_replicas,
        requests_per_hour=requests_per_hour,
        duration_s=_BASE.warm_up_s + counted_s,
    )


class Kept:
    """The outcomes in a file, written after each, so that a run that was ended goes on where it was.

    Args:
        path: The file; made if it is not there. None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: list[dict] = json.loads(path.read_text()) if path and path.exists() else []
        self._by_key = {_key_of(row): Outcome(**row["outcome"]) for row in self._rows}

    def outcome(self, case: Case) -> Outcome | None:
        """What was found of a case; None if it was not simulated yet, or not as it is now."""
        return self._by_key.get(case.key)

    def add(self, case: Case, outcome: Outcome) -> None:
        """Keeps what was found."""
        self._rows.append({"part": case.part, "scenario": asdict(case.scenario), "outcome": asdict(outcome)})
        if self._path:
            draft = self._path.with_suffix(".draft")
            draft.write_text("[\n" + ",\n".join(json.dumps(row) for row in self._rows) + "\n]\n")
            draft.replace(self._path)


def _key_of(row: dict) -> str:
    return json.dumps([row["part"], row["scenario"]], sort_keys=True)
