"""The kernel that decodes from the cache's blocks, in Triton's interpreter, and that it compiles for GPUs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from service.engine.errors import UnsupportedModelError
from service.engine.kernels.attention_params import AttentionParams
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.attention_cases import TOLERANCES, Case, cases, make_inputs, relative_error
from tests.support.engines import make_engine
from tests.support.played_requests import PROMPTS, Request, play

pytest.importorskip("triton", reason="Triton exists for Linux only")

from service.engine.kernels.paged_attention import choose_num_splits, paged_decode

FEW, MANY = 1, 200
"""Multiprocessors: contexts are split for many of them only."""


@pytest.mark.parametrize("case", cases(large=False), ids=str)
@pytest.mark.parametrize("num_multiprocessors", [FEW, MANY])
def test_it_gives_what_the_definition_gives(case: Case, num_multiprocessors: int) -> None:
    attention = partial(paged_decode, num_multiprocessors=num_multiprocessors)
    assert relative_error(case, attention, "cpu") < TOLERANCES[case.dtype]


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2"])
def test_an_engine_gives_the_tokens_that_it_gives_without(checkpoint: Callable[[str], Path], family: str) -> None:
    requests = [Request(PROMPTS[10], 4), Request(PROMPTS[2], 6, arrival=1), Request(PROMPTS[12], 3, arrival=3)]
    params = [SamplingParams(request.max_tokens) for request in requests]
    bounds: dict[str, Any] = {"max_num_seqs": 3, "max_num_batched_tokens": 24}
    plain = play(make_engine(checkpoint(family), **bounds), requests, params)
    config = EngineConfig(Path("unused"), **bounds, accelerations=frozenset({Acceleration.ATTENTION}))
    attention = partial(paged_decode, num_multiprocessors=FEW)
    backend = Backend(decode_attention=attention)
    engine = build_engine(load_model(checkpoint(family), "cpu", "float32"), config, 64, backend)
    assert play(engine, requests, params) == plain


@pytest.mark.parametrize(
    ("num_programs", "num_tiles", "num_splits"),
    [
        (8, 1000, 64),  # one sequence of Llama 3.1: as many parts as there may be
        (16, 1000, 33),
        (256, 1000, 2),
        (1024, 1000, 1),  # enough without
        (8, 5, 5),  # no more parts than tiles
        (8, 0, 1),
    ],
)
def test_contexts_are_split_where_programs_are_few(num_programs: int, num_tiles: int, num_splits: int) -> None:
    assert choose_num_splits(num_programs, num_tiles, num_multiprocessors=132) == num_splits


def test_what_triton_can_not_do_is_refused_with_the_flag_to_leave_out() -> None:
    query, cache, block_table, lengths = make_inputs(Case(torch.float32, 64, 2, 2, (5,)), "cpu")
    with pytest.raises(UnsupportedModelError, match="--accelerate attention"):
        paged_decode(query, cache, block_table, lengths.float(), AttentionParams(1.0), num_multiprocessors=1)


@pytest.mark.parametrize(
    "arguments",
    [["90"], *(pytest.param([card, "--others"], marks=pytest.mark.stress) for card in ("80", "89", "90"))],
    ids=str,
)
def test_it_compiles_for_gpus_to_wide_reads_and_tensor_cores(arguments: list[str], tmp_path: Path) -> None:
    """In a process of its own, without the interpreter."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    completed = subprocess.run(
        [sys.executable, "-m", "tests.support.compile_attention", *arguments],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    for variant in json.loads(completed.stdout):
        assert variant["shared_bytes"] <= 45 * 1024
        assert variant["num_wide_copies"] > 0
        assert variant["num_tensor_core_products"] > 0 or variant["dtype"] == "fp32"
