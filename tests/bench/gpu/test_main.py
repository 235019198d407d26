"""The benchmark for GPUs runs whole on the CPU, with tiny models, and survives what a GPU may do to it."""

import json
import os
import select
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch

from bench.gpu import __main__ as gpu
from bench.gpu.cases import CASES, CODELLAMA_7B, LLAMA_2_MANY, LLAMA_3_ALONE, LLAMA_3_MOST, PEER, SERVED, Weights
from bench.gpu.isolation import JobError, run_isolated
from bench.gpu.jobs import EngineJob, PeerJob
from bench.gpu.models import random_model
from bench.gpu.plan import fit, jobs
from bench.roofline import weight_bytes
from service.engine_protocol.acceleration import PREFILLS, Acceleration, check_accelerations

GB = 1e9


@dataclass(frozen=True)
class Broken:
    """Gives one result and then does what a kernel that never ran may do."""

    way: str
    limit_s: float

    def run(self) -> Iterator[str]:
        yield "first"
        if self.way == "raises":
            raise ValueError("an illegal address\nand a long trace")
        if self.way == "dies":
            os._exit(9)
        threading.Event().wait()


@pytest.mark.parametrize(
    ("way", "limit_s", "reason"),
    [
        ("raises", 60, "ValueError: an illegal address$"),
        ("dies", 60, "its process ended with 9"),
        ("hangs", 1, "it was stopped after 1 s"),
    ],
)
def test_a_job_that_breaks_keeps_what_it_gave(way, limit_s, reason):
    results = run_isolated(Broken(way, limit_s))
    assert next(results) == "first"
    with pytest.raises(JobError, match=reason):
        next(results)


@dataclass(frozen=True)
class Parent:
    """Starts a process that holds a FIFO open, and then hangs."""

    fifo: str
    limit_s: float = 60.0

    def run(self) -> Iterator[str]:
        subprocess.Popen(["sh", "-c", 'exec sleep 600 > "$0"', self.fifo])
        yield "started"
        threading.Event().wait()


def test_what_a_job_has_started_ends_with_it(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    results = run_isolated(Parent(str(fifo)))
    assert next(results) == "started"
    with fifo.open("rb") as held:
        results.close()
        is_closed, _, _ = select.select([held], [], [], 120)
        assert is_closed


def test_engines_and_peer_are_measured_on_tiny_models(tmp_path, capsys):
    file = tmp_path / "figures.json"
    gpu.main(["--tiny", "--device", "cpu", "--no-serving", "--json", str(file)])
    found = json.loads(file.read_text())
    lacking = {one["case"]: one["note"] for one in found["measurements"] if not one["values"]}
    assert lacking == {}
    assert {one["case"] for one in found["measurements"]} == {case.name for case in CASES if case not in SERVED}
    assert found["ceilings"]["bytes_per_s"] > 0
    printed = capsys.readouterr().out
    assert "no speed" in printed
    assert f"| {PEER.name} | tuned |" in printed


@pytest.mark.stress
def test_the_service_is_measured_with_a_tiny_model(tmp_path):
    file = tmp_path / "figures.json"
    gpu.main(["--tiny", "--device", "cpu", "--only", ", REST", "--json", str(file)])
    found = json.loads(file.read_text())["measurements"]
    assert [(one["way"], len(one["values"]), one["note"]) for one in found[:3]] == [
        ("plain", 5, ""),
        ("plain", 20, ""),
        ("plain", 20, ""),
    ]


def test_what_there_is_no_time_for_is_left_out_with_a_word(capsys):
    gpu.main(["--tiny", "--device", "cpu", "--budget-s", "0", "--only", "AWQ"])
    assert "| CodeLlama-7B AWQ, 1 sequence | plain | no time was left for it |" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="it would measure")
def test_without_a_gpu_it_says_so():
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu.main([])


@pytest.mark.parametrize("weights", [Weights.INT8, Weights.AWQ])
def test_a_model_is_made_on_its_device_and_takes_what_its_weights_take(weights):
    shape = replace(CODELLAMA_7B, num_layers=2)
    model = random_model(shape, weights, "meta")
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}.values()
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    # The head and the embeddings stay in 16 bits, and a zero of 4 bits takes as many as a scale.
    extra = shape.num_other_weights if weights is Weights.INT8 else shape.num_layer_weights * 12 / 128 / 8
    expected = weight_bytes(shape, weights) + extra
    assert sum(tensor.nbytes for tensor in tensors) == pytest.approx(expected, rel=1e-3)


def test_on_a_gpu_each_case_is_measured_plain_and_with_everything():
    engines = [job for job in jobs("cuda", is_tiny=False) if isinstance(job, EngineJob)]
    for accelerations in (frozenset(), frozenset(Acceleration) - PREFILLS):
        measured = {case for job in engines if job.accelerations == accelerations for case in job.cases}
        assert measured == {case for case in CASES if case not in (PEER, *SERVED)}


def test_only_accelerations_that_go_together_are_measured():
    for job in jobs("cuda", is_tiny=False):
        if isinstance(job, EngineJob):
            check_accelerations(job.accelerations)


def test_a_job_has_cases_of_one_model():
    for job in jobs("cuda", is_tiny=False):
        assert len({(case.shape, case.weights) for case in job.cases}) == 1


def test_what_a_card_has_no_memory_for_is_left_out():
    job = EngineJob("cuda", (LLAMA_3_ALONE, LLAMA_3_MOST), frozenset({Acceleration.ATTENTION}))
    left, rows = fit(job, 24 * GB)
    assert left.cases == (LLAMA_3_ALONE,)
    assert [(row.case, row.note) for row in rows] == [(LLAMA_3_MOST.name, "does not fit, needs 54 GB")]
    assert fit(job, 80 * GB)[0] == job


def test_without_the_kernel_what_is_gathered_needs_room_too():
    plain, kernel = EngineJob("cuda", (LLAMA_2_MANY,), frozenset()), frozenset({Acceleration.ATTENTION})
    assert fit(plain, 80 * GB)[0].cases == ()
    assert fit(EngineJob("cuda", (LLAMA_2_MANY,), kernel), 80 * GB)[0].cases == (LLAMA_2_MANY,)
    assert fit(PeerJob("cuda", (PEER,)), 80 * GB)[0].cases == (PEER,)
