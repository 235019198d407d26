"""LoRA adapters that PEFT makes and saves, and the tokens that PEFT generates with them."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from service.engine_protocol.engine_config import AdapterSource
from tests.support.engines import load_reference

QV = ["q_proj", "v_proj"]


@contextmanager
def _peft() -> Iterator[None]:
    """PEFT 0.21 asks transformers 5.23 in a way that it says it will drop."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def save_adapter(base: Path | PreTrainedModel, folder: Path, seed: int = 0, **settings: Any) -> Path:
    """Saves a random adapter as PEFT does, and returns its folder.

    Args:
        base: What it is for: a checkpoint, or a model, which stays as it is.
        folder: Where to.
        seed: Decides the weights, which are large enough to change most tokens.
        settings: What its `LoraConfig` has.
    """
    chosen: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": QV, "task_type": "CAUSAL_LM"} | settings
    config = LoraConfig(**chosen)
    with _peft():
        model: Any = get_peft_model(_model(base), config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.save_pretrained(folder)
    return folder


def load_adapted(base: Path | PreTrainedModel, adapter: Path) -> Any:
    """A model with an adapter, as PEFT runs it."""
    with _peft():
        model: Any = PeftModel.from_pretrained(_model(base), str(adapter))
    return model.eval()


def _model(base: Path | PreTrainedModel) -> PreTrainedModel:
    return load_reference(base, "float32") if isinstance(base, Path) else copy.deepcopy(base)


def generate(model: Any, prompt: list[int], max_tokens: int) -> list[int]:
    """Greedy tokens, as transformers generates them."""
    output = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
        max_new_tokens=max_tokens,
        do_sample=False,
        eos_token_id=model.config.vocab_size,  # none
        pad_token_id=0,
    )
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens


def sources(**folders: Path) -> tuple[AdapterSource, ...]:
    """Adapters by name."""
    return tuple(AdapterSource(name, folder) for name, folder in folders.items())
