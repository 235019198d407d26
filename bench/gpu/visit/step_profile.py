"""Where the time of decoding steps goes on the device: its kernels, and the gaps between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from bench.engine.load import outputs_of
from bench.gpu.cases import Case
from bench.gpu.engine_cases import NUM_STEPS, begun_decoding, num_kv_tokens
from bench.gpu.jobs import way_of
from bench.gpu.models import random_engine
from bench.gpu.visit.state import Found
from service.engine.device import is_cuda, use_device
from service.engine_protocol.acceleration import Acceleration

_NUM_PROFILED = 4
_NUM_SHOWN = 20
_NUM_GAPS_SHOWN = 8
_NAME_LENGTH = 100


class Kernel(NamedTuple):
    """Work of the device's, or on a CPU an operator that calls no other one; times are in microseconds."""

    name: str
    start_us: float
    end_us: float


@dataclass(frozen=True)
class ProfileJob:
    """Profiles the decoding steps of some cases.

    Attributes:
        device: Where.
        cases: Whose steps; of one shape and weights.
        accelerations: With what.
        label: How the engine's way is called.
    """

    device: str
    cases: tuple[Case, ...]
    accelerations: frozenset[Acceleration]
    label: str = ""

    def run(self) -> Iterator[Found]:
        """Gives a profile for each case.

        Raises:
            RuntimeError: The profiler has seen nothing.
        """
        use_device(self.device)
        first, most = self.cases[0], max(case.num_sequences for case in self.cases)
        room = max(map(num_kv_tokens, self.cases))
        engine = random_engine(first.shape, first.weights, self.device, self.accelerations, room, most)
        for case in self.cases:
            kernels = self._kernels(engine, case)
            if not kernels:
                raise RuntimeError("the profiler has seen no kernel")
            way = way_of(self.accelerations, self.label)
            yield Found("profiles", {"case": case.name, "way": way, **summary(kernels, _NUM_PROFILED)})

    def _kernels(self, engine: Any, case: Case) -> list[Kernel]:
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._is_cuda else [])]
        with begun_decoding(engine, case):
            for _ in range(NUM_STEPS - _NUM_PROFILED):
                outputs_of(engine)
            with profile(activities=activities) as profiled:
                for _ in range(_NUM_PROFILED):
                    outputs_of(engine)
        wanted = "CUDA" if self._is_cuda else "CPU"
        return [
            Kernel(str(event.name), event.time_range.start, event.time_range.end)
            for event in profiled.events() or ()
            if event.device_type.name == wanted and (self._is_cuda or not event.cpu_children)
            if not getattr(event, "is_user_annotation", False)  # of a whole compiled graph, beside its kernels
        ]

    @property
    def _is_cuda(self) -> bool:
        return is_cuda(torch.device(self.device))


def summary(kernels: Sequence[Kernel], num_steps: int) -> dict[str, Any]:
    """What some steps' kernels took, each step's share in microseconds: the kernels that took most, and the gaps."""
    in_order = sorted(kernels, key=lambda kernel: kernel.start_us)
    busy_us, gaps = _busy_and_gaps(in_order)
    span_us = max(kernel.end_us for kernel in kernels) - in_order[0].start_us
    by_name = sorted(kernels, key=lambda kernel: kernel.name)
    rows = [_row(name, list(same), num_steps) for name, same in groupby(by_name, lambda kernel: kernel.name)]
    return {
        "num_kernels": round(len(kernels) / num_steps, 1),
        "span_us": round(span_us / num_steps, 1),
        "busy_us": round(busy_us / num_steps, 1),
        "gaps_us": round((span_us - busy_us) / num_steps, 1),
        "num_gaps": round(len(gaps) / num_steps, 1),
        "kernels": sorted(rows, key=lambda row: -row["us"])[:_NUM_SHOWN],
        "longest_gaps": sorted(gaps, key=lambda gap: -gap["us"])[:_NUM_GAPS_SHOWN],
    }


def _row(name: str, kernels: Sequence[Kernel], num_steps: int) -> dict[str, Any]:
    taken_us = sum(kernel.end_us - kernel.start_us for kernel in kernels)
    return {"name": name[:_NAME_LENGTH], "us": round(taken_us / num_steps, 1), "calls": len(kernels) / num_steps}


def _busy_and_gaps(in_order: Sequence[Kernel]) -> tuple[float, list[dict[str, Any]]]:
    """For how long anything ran, and when nothing did; kernels of several streams may overlap."""
    busy_us, gaps, running = 0.0, [], in_order[0]
    begun_us = running.start_us
    for before, after in pairwise(in_order):
        running = max(running, before, key=lambda kernel: kernel.end_us)
        if after.start_us > running.end_us:
            busy_us += running.end_us - begun_us
            begun_us = after.start_us
            names = {"after": running.name[:_NAME_LENGTH], "before": after.name[:_NAME_LENGTH]}
            gaps.append({"us": round(after.start_us - running.end_us, 1), **names})
    return busy_us + max(kernel.end_us for kernel in in_order) - begun_us, gaps
