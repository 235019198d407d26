"""Tiny random checkpoints in transformers' own format."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

_SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 24},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "gemma2": {},
}


def save_tiny_model(folder: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Saves a random model of 2 layers and returns its folder.

    Weights are drawn wide (0.15): with transformers' 0.02 greedy decoding falls into a loop at once, and a wrong
    position or block would go unseen.
    """
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **(_SIZES | _FAMILIES[family] | {"initializer_range": 0.15} | changes))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config.eos_token_id = config.eos_token_id
    model.save_pretrained(folder)
    return folder
