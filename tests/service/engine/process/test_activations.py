"""Activations are rounded to 8 bits where that is asked for, and it is told where they are."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from service.engine.engine import Engine
from service.engine.linears.quantized import Int8Linear
from service.engine.process.activations import tried_activations
from service.engine.process.loading import load_engine
from service.engine_protocol.choices import TrialOutcome
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import finish, tokens_of

Load = Callable[..., Engine]
NUM_LAYERS = 14


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a tiny Llama."""
    folder = save_tiny_model(tmp_path / "model")

    def make(**settings: object) -> Engine:
        known = {"dtype": "bfloat16", "quantization": "int8", "activation_dtype": "int8"}
        config = EngineConfig(folder, kv_cache_memory_mib=8, num_threads=1, **(known | settings))  # type: ignore[arg-type]
        return load_engine(config, lambda loading: None)

    return make


def test_packed_layers_round_activations(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tried,) = load().info.tried
    told = f"in {NUM_LAYERS} of {NUM_LAYERS} layers of packed weights"
    assert (tried.what, tried.way, tried.outcome, tried.detail) == ("activations", "int8", TrialOutcome.USED, told)
    assert f"activations are rounded to int8 {told}" in caplog.messages
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_nothing_is_told_where_nobody_asks(load: Load) -> None:
    assert load(activation_dtype="auto").info.tried == ()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"quantization": ""}, "no layer has weights of 4 or 8 bits"),
        ({"dtype": "float32"}, "the model computes in float32, which --dtype bfloat16 changes"),
    ],
)
def test_where_none_is_rounded_a_warning_tells_why(
    load: Load, caplog: pytest.LogCaptureFixture, settings: dict[str, object], reason: str
) -> None:
    (tried,) = load(**settings).info.tried
    assert (tried.outcome, tried.detail) == (TrialOutcome.FAILED, reason)
    assert f"activations are not rounded to int8: {reason}" in caplog.messages


def test_packed_layers_without_a_compiled_product_round_nothing() -> None:
    bias = nn.Parameter(torch.zeros(8, dtype=torch.bfloat16), requires_grad=False)
    config = EngineConfig(Path("nowhere"), activation_dtype="int8")
    (tried,) = tried_activations(nn.ModuleList([Int8Linear(8, 8, bias, torch.bfloat16)]), config)
    assert tried.detail == "there is no compiled product for its layers"


def test_a_request_has_the_same_tokens_alone_and_in_company(load: Load) -> None:
    engine = load()
    prompts = [[7 * place % 90 + 3 for place in range(count)] for count in (3, 40, 17, 1, 64)]
    alone: list[list[int]] = []
    for prompt in prompts:
        engine.submit("it", prompt, SamplingParams(12), cache_salt=str(len(alone)))
        alone.append(tokens_of(finish(engine), "it"))
    for row, prompt in enumerate(prompts):
        engine.submit(str(row), prompt, SamplingParams(12), cache_salt=f"together {row}")
    outputs = finish(engine)
    assert [tokens_of(outputs, str(row)) for row in range(len(prompts))] == alone
