"""Which jobs a run has, and in which order: what tells most comes first, as time may run out."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from bench.gpu.cases import (
    AWQ_ALONE,
    CASES,
    INT8_ALONE,
    LLAMA_2_MANY,
    LLAMA_3_ALONE,
    LLAMA_3_MANY,
    LLAMA_3_MOST,
    PEER,
    PREFILL,
    SERVED,
    Case,
    Kind,
)
from bench.gpu.engine_cases import num_kv_tokens
from bench.gpu.jobs import EngineJob, PeerJob
from bench.gpu.serving import ServingJob
from bench.roofline import Measurement, kv_bytes_per_token, weight_bytes
from service.engine_protocol.acceleration import PREFILLS, Acceleration

_ENGINE_CASES = tuple(case for case in CASES if case not in (PEER, *SERVED))
_ON_A_CPU = frozenset({Acceleration.ATTENTION, Acceleration.OVERLAP})
_SINGLES: tuple[tuple[set[Acceleration], tuple[Case, ...]], ...] = (
    ({Acceleration.ATTENTION}, (LLAMA_3_MANY, LLAMA_2_MANY, LLAMA_3_MOST)),
    ({Acceleration.ATTENTION, Acceleration.GRAPHS}, (LLAMA_3_ALONE, LLAMA_3_MANY)),
    ({Acceleration.LINEARS}, (INT8_ALONE, AWQ_ALONE)),
    ({Acceleration.LAYERS}, (LLAMA_3_ALONE, PREFILL)),
    ({Acceleration.OVERLAP}, (LLAMA_3_ALONE, LLAMA_3_MANY)),
    ({Acceleration.VARLEN}, (PREFILL,)),
    ({Acceleration.FLEX}, (PREFILL,)),
)
_USABLE_SHARE = 0.92
"""Of the device's memory; a step's own tensors, CUDA and the peer's mask need some."""


def all_ways(device: str) -> frozenset[Acceleration]:
    """Every acceleration that a device has, and that goes with the others."""
    return frozenset(Acceleration) - PREFILLS if device.startswith("cuda") else _ON_A_CPU


SomeJob = EngineJob | PeerJob | ServingJob


def jobs(device: str, is_tiny: bool) -> list[SomeJob]:
    """Engines without accelerations and with all, the peer, the service, and engines with single accelerations."""
    usable = all_ways(device)
    together = [job for way in (frozenset(), usable) for job in _jobs(device, way, _ENGINE_CASES, is_tiny)]
    peer = PeerJob(device, (PEER.shrunk() if is_tiny else PEER,))
    served = tuple(case.shrunk() if is_tiny else case for case in SERVED)
    plain_service, whole_service = (ServingJob(device, way, served) for way in (frozenset(), usable))
    known = usable | PREFILLS if device.startswith("cuda") else usable
    singles = [(frozenset(ways), cases) for ways, cases in _SINGLES if ways <= known]
    alone = (job for way, cases in singles for job in _jobs(device, way, cases, is_tiny))
    return [*together, peer, plain_service, *alone, whole_service]


def _jobs(
    device: str, accelerations: frozenset[Acceleration], cases: tuple[Case, ...], is_tiny: bool
) -> Iterable[EngineJob]:
    """A job for each model; cases of one model share its engine."""
    by_model = sorted(cases, key=lambda case: _ENGINE_CASES.index(_first_of_model(case)))
    for _, of_model in groupby(by_model, lambda case: (case.shape, case.weights)):
        chosen = tuple(case.shrunk() if is_tiny else case for case in of_model)
        yield EngineJob(device, chosen, accelerations)


def _first_of_model(case: Case) -> Case:
    return next(one for one in _ENGINE_CASES if (one.shape, one.weights) == (case.shape, case.weights))


def fit(job: SomeJob, memory_bytes: float) -> tuple[SomeJob, list[Measurement]]:
    """Leaves out cases that there is no memory for; the job that is left, and a row for each that is not."""
    too_large = {case: need for case in job.cases if (need := _need_bytes(job, case)) > _USABLE_SHARE * memory_bytes}
    left = replace(job, cases=tuple(case for case in job.cases if case not in too_large))
    return left, [
        Measurement(case.name, job.way, [], f"does not fit, needs {need / 1e9:.0f} GB")
        for case, need in too_large.items()
    ]


def _need_bytes(job: SomeJob, case: Case) -> float:
    weights = max(weight_bytes(case.shape, case.weights), 2 * case.shape.num_parameters)  # random ones begin plain
    kv_cache = num_kv_tokens(case) * kv_bytes_per_token(case.shape)
    is_gathered = isinstance(job, EngineJob) and Acceleration.ATTENTION not in job.accelerations
    return weights + kv_cache * (2 if is_gathered and case.kind is not Kind.PREFILL else 1)
