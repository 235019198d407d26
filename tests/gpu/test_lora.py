"""Requests with LoRA adapters get the tokens of weights that have them merged, in a batch with others and with none."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from service.engine.startup.build import build_engine
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import AdapterSource, EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import small_model
from tests.support.engines import finish, tokens_of

PROMPTS = [list(range(3 + row, 3 + row + size)) for row, size in enumerate((5, 40, 17, 33, 2))]
ADAPTERS = ("", "first", "second", "first", "")
MAX_TOKENS = 16


def save_merged(model: PreTrainedModel, folder: Path, rank: int) -> PreTrainedModel:
    """Saves a random adapter in PEFT's form, and returns the model with it merged."""
    merged: Any = copy.deepcopy(model)
    generator, tensors = torch.Generator().manual_seed(rank), {}
    for name, module in merged.named_modules():
        if isinstance(module, nn.Linear) and name != "lm_head":
            first = torch.randn((rank, module.in_features), generator=generator) * 0.1
            second = torch.randn((module.out_features, rank), generator=generator) * 0.1
            for side, matrix in (("A", first), ("B", second)):
                tensors[f"base_model.model.{name}.lora_{side}.weight"] = matrix
            module.weight.data += 2 * (second @ first).to(module.weight.device)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    whole: PreTrainedModel = merged
    return whole


def generate(model: Any, prompt: list[int]) -> list[int]:
    ids = torch.tensor([prompt], device=model.device)
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": model.config.vocab_size, "pad_token_id": 0}
    output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=MAX_TOKENS, **settings)
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens


def test_each_request_gets_the_tokens_of_merged_weights(
    device: str, accelerations: frozenset[Acceleration], tmp_path: Path
) -> None:
    model = small_model("llama", device)
    models = {name: save_merged(model, tmp_path / name, rank) for name, rank in (("first", 8), ("second", 20))}
    models[""] = copy.deepcopy(model)
    expected = [generate(models[name], prompt) for name, prompt in zip(ADAPTERS, PROMPTS, strict=True)]
    sources = tuple(AdapterSource(name, tmp_path / name) for name in ("first", "second"))
    engine = build_engine(model, EngineConfig(tmp_path, device, accelerations=accelerations, adapters=sources), 64)
    for row, (name, prompt) in enumerate(zip(ADAPTERS, PROMPTS, strict=True)):
        engine.submit(str(row), prompt, SamplingParams(MAX_TOKENS), adapter=name)
    outputs = finish(engine)
    assert [tokens_of(outputs, str(row)) for row in range(len(PROMPTS))] == expected
