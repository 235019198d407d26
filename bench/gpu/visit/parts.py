"""The parts of a visit, those first that tell most; a call does as many as it has time for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.gpu.cases import (
    AWQ_ALONE,
    INT8_ALONE,
    LLAMA_2_ALONE,
    LLAMA_2_MANY,
    LLAMA_3_ALONE,
    LLAMA_3_MANY,
    LLAMA_3_MOST,
    MIXED,
    OWN_FIRST,
    OWN_STREAMS,
    PEER,
    PREFILL,
    SERVED,
    Case,
)
from bench.gpu.jobs import CeilingsJob, EngineJob, PeerJob
from bench.gpu.plan import SomeJob
from bench.gpu.serving import ServingJob
from bench.gpu.visit.calls import Part
from bench.gpu.visit.environment import EnvironmentJob
from bench.gpu.visit.state import TESTS, State
from bench.gpu.visit.step_profile import ProfileJob
from bench.gpu.visit.tests_job import TestsJob
from bench.gpu.visit.ways_job import LIMITS, WaysJob
from service.engine.trials.questions import TrialLimits
from service.engine_protocol.acceleration import Acceleration

_FIRST_TESTS = ("attention", "linears", "tokens", "graphs")
_OTHER_TESTS = ("prefill", "overlap", "lora", "endurance")
_FIRST_TESTS_OF_TINY = ("attention",)
_OTHER_TESTS_OF_TINY = ("linears",)

_LONGEST_TEST_S = 60.0
"""Where `torch.compile` starts, a test takes most of it."""

_AUTO = "auto"
_PATIENCE_OF_TINY = 6.0
"""A rehearsal is on a CPU, which others may keep busy."""


class Parts:
    """Makes the parts for one device.

    Args:
        device: "cuda", "cpu", ...
        is_tiny: Whether shapes are tiny.
        folder: Where the files are that come back.
    """

    def __init__(self, device: str, is_tiny: bool, folder: Path) -> None:
        self._device, self._is_tiny, self._folder = device, is_tiny, folder
        self._patience = _PATIENCE_OF_TINY if is_tiny else 1.0

    def all(self) -> list[Part]:
        """In their order."""
        return [replace(part, limit_s=self._patience * part.limit_s) for part in self._parts()]

    def _parts(self) -> list[Part]:
        limits = TrialLimits(self._patience * LIMITS.each_s, self._patience * LIMITS.all_s)
        return [
            Part("environment", 60.0, lambda state: EnvironmentJob(self._device), is_of_each_call=True),
            Part("ceilings", 40.0, lambda state: CeilingsJob(self._device, self._is_tiny), is_of_each_call=True),
            self._tests("tests", 120.0, _FIRST_TESTS_OF_TINY if self._is_tiny else _FIRST_TESTS),
            self._engine("plain", 60.0, (LLAMA_3_ALONE, LLAMA_3_MANY), lambda state: frozenset()),
            Part("ways", 125.0, lambda state: WaysJob(self._device, LLAMA_3_ALONE, self._is_tiny, limits)),
            self._engine(_AUTO, 90.0, (LLAMA_3_ALONE, LLAMA_3_MANY), chosen, _AUTO),
            self._profile("profile-auto", chosen, _AUTO),
            self._profile("profile-plain", lambda state: frozenset()),
            self._tests("more-tests", 120.0, _OTHER_TESTS_OF_TINY if self._is_tiny else _OTHER_TESTS),
            self._engine("awq", 60.0, (AWQ_ALONE,), lambda state: chosen(state) | self._linears),
            self._engine("int8", 60.0, (INT8_ALONE,), lambda state: chosen(state) | self._linears),
            self._engine("fp16", 60.0, (LLAMA_2_ALONE, LLAMA_2_MANY), chosen),
            self._engine("prefill", 90.0, (PREFILL, LLAMA_3_MOST), chosen, _AUTO),
            self._engine("mixed", 120.0, (MIXED, OWN_STREAMS, OWN_FIRST), chosen, _AUTO),
            Part("generate-batch", 90.0, lambda state: PeerJob(self._device, self._cases((PEER,)))),
            Part("served", 180.0, self._served),
            self._engine("awq-torch", 60.0, (AWQ_ALONE,), lambda state: chosen(state) - self._linears),
            self._engine("int8-torch", 60.0, (INT8_ALONE,), lambda state: chosen(state) - self._linears),
        ]

    @property
    def _linears(self) -> frozenset[Acceleration]:
        return frozenset() if self._is_tiny else frozenset({Acceleration.LINEARS})

    def _cases(self, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(case.shrunk() for case in cases) if self._is_tiny else cases

    def _tests(self, name: str, limit_s: float, files: tuple[str, ...]) -> Part:
        paths = tuple(f"tests/gpu/test_{file}.py" for file in files)

        def job(state: State) -> TestsJob:
            each_s = self._patience * _LONGEST_TEST_S
            return TestsJob(self._device, paths, state.tested(), self._folder / TESTS, each_s, each_s)

        return Part(name, limit_s, job)

    def _engine(
        self,
        name: str,
        limit_s: float,
        cases: tuple[Case, ...],
        ways: Callable[[State], frozenset[Acceleration]],
        label: str = "",
    ) -> Part:
        """A part that measures what has no row of its way yet."""

        def job(state: State) -> SomeJob:
            whole = EngineJob(self._device, self._cases(cases), ways(state), label)
            rows = state.measured(whole.way)
            return replace(whole, cases=tuple(case for case in whole.cases if case.name not in rows))

        return Part(name, limit_s, job)

    def _profile(self, name: str, ways: Callable[[State], frozenset[Acceleration]], label: str = "") -> Part:
        cases = self._cases((LLAMA_3_ALONE, LLAMA_3_MANY))
        return Part(name, 75.0, lambda state: ProfileJob(self._device, cases, ways(state), label))

    def _served(self, state: State) -> SomeJob:
        whole = ServingJob(self._device, chosen(state), self._cases(SERVED), _AUTO)
        rows = state.measured(whole.way)
        return replace(whole, cases=tuple(case for case in whole.cases if case.name not in rows))


def chosen(state: State) -> frozenset[Acceleration]:
    """The ways that trials have found to be right and quicker; none where they have not."""
    return frozenset(map(Acceleration, state.found.get("accelerations", ())))
