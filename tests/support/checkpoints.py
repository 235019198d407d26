"""Tiny random checkpoints in transformers' own format."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

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
LLAMA_3_ROPE: dict[str, Any] = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
LONG_ROPE_LENGTH = 40
"""The most tokens of a sequence that a model of `long_rope_model` computes by its short factors."""

LONG_ROPE: dict[str, Any] = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "partial_rotary_factor": 0.75,
    "short_factor": [1.0 + 0.1 * place for place in range(6)],
    "long_factor": [1.5 + 0.9 * place for place in range(6)],
    "original_max_position_embeddings": LONG_ROPE_LENGTH,
}
_FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama-3.1": {"model_type": "llama", "rope_parameters": LLAMA_3_ROPE},
    "mistral": {"sliding_window": 24},
    "mistral-without-window": {"model_type": "mistral", "sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    # A cap and a scale that real ones don't have, but that tell when they are left out.
    "gemma2": {"head_dim": 16, "sliding_window": 24, "query_pre_attn_scalar": 24, "attn_logit_softcapping": 2.0},
    "gemma3": {
        "model_type": "gemma3_text",
        "head_dim": 16,
        "sliding_window": 24,
        "query_pre_attn_scalar": 24,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "phi3": {
        "sliding_window": 24,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.75},
    },
}
FAMILIES = list(_FAMILIES)


def save_tiny_model(folder: Path, family: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Saves a random model of 2 layers and returns its folder.

    Args:
        folder: Where to.
        family: One of `FAMILIES`, or another model type of transformers.
        seed: Decides the weights.
        changes: What its config has otherwise.
    """
    model = tiny_model(family, seed, **changes)
    model.save_pretrained(folder)
    return folder


def long_rope_model(original: int = LONG_ROPE_LENGTH) -> PreTrainedModel:
    """A random Phi-3 with LongRoPE, as those of 128k are."""
    # A config changes what it is given.
    settings: dict[str, Any] = {"rope_parameters": dict(LONG_ROPE), "sliding_window": None}
    return tiny_model("phi3", original_max_position_embeddings=original, **settings).train(mode=False)


def tiny_model(family: str = "llama", seed: int = 0, **changes: Any) -> PreTrainedModel:
    """A random model of 2 layers.

    Weights are drawn wide (0.15): with transformers' 0.02 greedy decoding falls into a loop at once, and a wrong
    position or block would go unseen. So would a bias of 0, or a norm's weight of 1, that was left out.
    """
    torch.manual_seed(seed)
    settings = {"model_type": family} | _SIZES | _FAMILIES.get(family, {}) | {"initializer_range": 0.15} | changes
    config = AutoConfig.for_model(**settings)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = config.eos_token_id
    return model
