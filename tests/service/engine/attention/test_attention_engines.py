"""Engines with `--accelerate attention` give the tokens that they give without."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from service.engine.errors import UnsupportedModelError
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import make_engine
from tests.support.played_requests import FEW_BLOCKS, OFTEN_PREEMPTED, PROMPTS, Request, play

ATTENTION = frozenset({Acceleration.ATTENTION})

COMING_AND_GOING = [
    Request(PROMPTS[14], 12),  # 70 tokens, in chunks while the others decode
    Request(PROMPTS[2], 20, arrival=1),
    Request(PROMPTS[15], 9, arrival=1, abort_after=9),
    Request(PROMPTS[12], 12, arrival=14),  # begins like the first
    Request(PROMPTS[0], 24, arrival=5),
]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "gemma2"])
@pytest.mark.parametrize(
    ("requests", "bounds"),
    [
        (COMING_AND_GOING, {"max_num_seqs": 4, "max_num_batched_tokens": 16}),
        (OFTEN_PREEMPTED, FEW_BLOCKS),
    ],
)
def test_tokens_are_those_of_the_plain_engine(
    checkpoint: Callable[[str], Path], family: str, requests: list[Request], bounds: dict[str, Any]
) -> None:
    params = [SamplingParams(request.max_tokens) for request in requests]
    plain = play(make_engine(checkpoint(family), **bounds), requests, params)
    engine = make_engine(checkpoint(family), **bounds, accelerations=ATTENTION)
    assert play(engine, requests, params) == plain
    assert engine.scheduler.num_preemptions > 0 or requests is COMING_AND_GOING


def test_an_attention_that_is_wrong_is_refused_with_the_flag_to_leave_out(checkpoint: Callable[[str], Path]) -> None:
    called_with: list[int] = []

    def attention(query: torch.Tensor, *rest: Any, **_: Any) -> torch.Tensor:
        called_with.append(len(query))
        return query

    model = load_model(checkpoint("llama"), "cpu", "float32")
    config = EngineConfig(Path("unused"), accelerations=ATTENTION)
    with pytest.raises(UnsupportedModelError, match="with --accelerate attention: it may be served without"):
        build_engine(model, config, 64, Backend(decode_attention=attention))
    assert called_with == [2, 2] * 3  # two layers, two sequences, the three decoding steps of the check
