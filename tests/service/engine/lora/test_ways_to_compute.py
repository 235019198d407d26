"""Adapters in each way that an engine computes in: packed weights, kernels, graphs, shards; PEFT's tokens in all."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from optimum.quanto import QLinear
from torch import nn
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.sharding.layers import Ranks
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.adapters import generate, load_adapted, save_adapter, sources
from tests.support.deferred import overlapping_engine
from tests.support.engines import finish, load_reference, tokens_of
from tests.support.int8_checkpoints import save_int8
from tests.support.quantized_checkpoints import save_awq, save_gptq
from tests.support.thread_ranks import in_ranks

PROMPTS = [[5, 6, 7], list(range(40, 70)), [9] * 18]
MAX_TOKENS = 10
SETTINGS: dict[str, Any] = {"target_modules": "all-linear", "r": 5}
PACKED: dict[str, tuple[str, Callable[[Path], PreTrainedModel]]] = {
    "int8": ("int8", save_int8),
    "awq": ("awq", lambda folder: save_awq(folder, 32, "mistral")),
    "gptq": ("gptq", lambda folder: save_gptq(folder, 32, is_act_order=True)),
}

_one_loads = threading.Lock()  # transformers changes torch's defaults while it loads


def completions(engine: Engine, *adapters: str) -> list[list[int]]:
    """The tokens of all prompts, each with an adapter."""
    for row, (prompt, adapter) in enumerate(zip(PROMPTS, adapters, strict=True)):
        engine.submit(str(row), prompt, SamplingParams(MAX_TOKENS), adapter=adapter)
    outputs = finish(engine)
    return [tokens_of(outputs, str(row)) for row in range(len(PROMPTS))]


def expected(base: Path | PreTrainedModel, adapter: Path) -> list[list[int]]:
    """With the adapter, with none, and with it."""
    plain = load_reference(base, "float32") if isinstance(base, Path) else base
    adapted = load_adapted(base, adapter)
    models = (adapted, plain, adapted)
    return [generate(model, prompt, MAX_TOKENS) for model, prompt in zip(models, PROMPTS, strict=True)]


@pytest.mark.parametrize("name", PACKED)
def test_packed_weights(name: str, tmp_path: Path) -> None:
    quantization, save = PACKED[name]
    folder, base = tmp_path / "base", _with_plain_layers(save(tmp_path / "base"))
    adapter = save_adapter(base, tmp_path / "adapter", **SETTINGS)
    config = EngineConfig(folder, adapters=sources(it=adapter))
    engine = build_engine(load_model(folder, "cpu", "float32", quantization), config, 64)
    assert completions(engine, "it", "", "it") == expected(base, adapter)


def _with_plain_layers(model: PreTrainedModel) -> PreTrainedModel:
    """The model with the numbers that quanto's codes mean, to which PEFT knows how to add."""
    for name in [name for name, module in model.named_modules() if isinstance(module, QLinear)]:
        packed: Any = model.get_submodule(name)
        plain = nn.Linear(packed.in_features, packed.out_features, bias=False)
        plain.weight = nn.Parameter(packed.weight.dequantize())
        model.set_submodule(name, plain)
    return model.float()


@pytest.fixture(scope="module")
def adapter(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(checkpoint("llama"), tmp_path_factory.mktemp("adapter"), **SETTINGS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA, Triton does not compute on a CPU")
def test_the_kernel(checkpoint: Callable[[str], Path], adapter: Path) -> None:
    folder, accelerations = checkpoint("llama"), frozenset({Acceleration.LINEARS})
    config = EngineConfig(folder, adapters=sources(it=adapter), accelerations=accelerations)
    engine = build_engine(load_model(folder, "cpu", "float32", accelerations=accelerations), config, 64)
    assert completions(engine, "it", "", "it") == expected(folder, adapter)


def test_graphs_replay_steps_without_adapters_only(checkpoint: Callable[[str], Path], adapter: Path) -> None:
    folder = checkpoint("llama")
    accelerations = frozenset({Acceleration.ATTENTION, Acceleration.GRAPHS, Acceleration.OVERLAP})
    model = load_model(folder, "cpu", "float32")
    settings: dict[str, Any] = {"adapters": sources(it=adapter), "accelerations": accelerations, "max_num_seqs": 4}
    engine, device = overlapping_engine(model, 64, **settings)
    assert completions(engine, "it", "", "it") == expected(folder, adapter)
    assert device.most_in_flight == 2


@pytest.mark.parametrize("family", ["llama", "phi3", "gemma3"])
def test_shards(family: str, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    folder = checkpoint(family)
    saved = save_adapter(folder, tmp_path, **SETTINGS)

    def body(ranks: Ranks) -> list[list[int]]:
        with _one_loads:
            model = load_model(folder, "cpu", "float32", ranks=ranks)
        config = EngineConfig(folder, max_num_seqs=4, max_num_batched_tokens=16, adapters=sources(it=saved))
        return completions(build_engine(model, config, 64, Backend(ranks=ranks)), "it", "", "it")

    assert in_ranks(2, body) == [expected(folder, saved)] * 2
