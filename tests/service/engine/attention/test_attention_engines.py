"""Engines with `--accelerate attention` give the tokens that they give without."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from service.engine.attention.flex import FlexAttention
from service.engine.attention.packed_prefill import PrefillAttention
from service.engine.attention.varlen import VarlenAttention
from service.engine.errors import UnsupportedModelError
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration, AccelerationError
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import make_engine
from tests.support.played_requests import FEW_BLOCKS, OFTEN_PREEMPTED, PROMPTS, Request, play
from tests.support.ragged_attention import varlen_as_documented

ATTENTION = frozenset({Acceleration.ATTENTION})
PREFILLS: dict[Acceleration, PrefillAttention] = {
    Acceleration.VARLEN: VarlenAttention(varlen_as_documented),
    Acceleration.FLEX: FlexAttention(),
}

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


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("others", [frozenset(), ATTENTION], ids=["alone", "with attention"])
@pytest.mark.parametrize(
    ("family", "acceleration"),
    [
        ("llama", Acceleration.VARLEN),
        ("mistral", Acceleration.VARLEN),
        ("mistral", Acceleration.FLEX),
        ("gemma2", Acceleration.FLEX),
    ],
)
def test_tokens_of_prompts_that_attend_in_one_call_are_those_of_the_plain_engine(
    checkpoint: Callable[[str], Path], family: str, acceleration: Acceleration, others: frozenset[Acceleration]
) -> None:
    bounds: dict[str, Any] = {"max_num_seqs": 4, "max_num_batched_tokens": 16}
    params = [SamplingParams(request.max_tokens) for request in COMING_AND_GOING]
    plain = play(make_engine(checkpoint(family), **bounds), COMING_AND_GOING, params)
    config = EngineConfig(Path("unused"), accelerations=others | {acceleration}, **bounds)
    backend = Backend(prefill_attention=PREFILLS[acceleration])
    engine = build_engine(load_model(checkpoint(family), "cpu", "float32"), config, 128, backend)
    assert play(engine, COMING_AND_GOING, params) == plain


@pytest.mark.parametrize(
    ("family", "acceleration", "given", "reason"),
    [
        ("llama", Acceleration.VARLEN, None, "varlen does not run on cpu: PyTorch has that kernel for CUDA only"),
        ("llama", Acceleration.FLEX, None, "flex is for CUDA"),
        ("gemma2", Acceleration.VARLEN, PREFILLS[Acceleration.VARLEN], "varlen does not know capped scores"),
    ],
)
def test_what_can_not_be_done_ends_the_start(
    checkpoint: Callable[[str], Path], family: str, acceleration: Acceleration, given: Any, reason: str
) -> None:
    model = load_model(checkpoint(family), "cpu", "float32")
    config = EngineConfig(Path("unused"), accelerations=frozenset({acceleration}))
    with pytest.raises(AccelerationError, match=reason):
        build_engine(model, config, 64, Backend(prefill_attention=given))


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
