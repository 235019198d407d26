"""A GGUF file's metadata as transformers' config.json of the same model."""

import math
from typing import Any

import numpy as np

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import GgufFile

ARCHITECTURES = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
}
"""transformers' model types by the names that llama.cpp has for them; its llama is Mistral's too."""

_LLAMA_3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""As all of Llama 3.1, 3.2 and 3.3 have it; only the factor differs."""

_MAX_LAYERS = 1000

_GEMMA_27B = {"gemma2": 46, "gemma3": 62}
"""The layers of the one size in each family whose queries are scaled by width / heads, and not by the head's size."""


class _Keys:
    """The values of an architecture, of which none is believed to have the right type."""

    def __init__(self, file: GgufFile, prefix: str) -> None:
        self._file, self._prefix = file, prefix

    def number(self, name: str, default: float | None = None, kind: type = float) -> Any:
        key = f"{self._prefix}.{name}"
        value = self._file.metadata.get(key, default)
        if type(value) not in (int, kind) or not 0 < value < math.inf:
            expected = "a number for all layers" if value is not None else "one"
            raise CheckpointError(f"the GGUF file {self._file.path} has {key} {value!r}; expected {expected}")
        return value

    def count(self, name: str, default: int | None = None) -> int:
        value: int = self.number(name, default, int)
        return value

    def has(self, name: str) -> bool:
        return f"{self._prefix}.{name}" in self._file.metadata

    def text(self, name: str) -> str:
        return str(self._file.metadata.get(f"{self._prefix}.{name}", ""))


def architecture_of(file: GgufFile) -> str:
    """Which of `ARCHITECTURES` a file's model is.

    Raises:
        CheckpointError: None of them.
    """
    if (parts := file.metadata.get("split.count", 1)) not in (0, 1):
        raise CheckpointError(f"{file.path} is one of {parts} parts: put them together with llama-gguf-split --merge")
    name = file.metadata.get("general.architecture")
    if name not in ARCHITECTURES:
        raise CheckpointError(
            f"the GGUF file {file.path} has a model of architecture {name!r}; only {', '.join(ARCHITECTURES)} are "
            "read: use the model's own checkpoint in safetensors"
        )
    return str(name)


def gguf_config(file: GgufFile) -> dict[str, Any]:
    """The config of a file's model.

    Raises:
        CheckpointError: The metadata lacks something, contradicts the tensors, or tells of what is not read.
    """
    architecture = architecture_of(file)
    keys = _Keys(file, architecture)
    if keys.has("expert_count") and keys.count("expert_count") > 1:
        raise CheckpointError(f"the GGUF file {file.path} has a mixture of experts, which is not read")
    hidden, num_heads = keys.count("embedding_length"), keys.count("attention.head_count")
    head_dim = keys.count("attention.key_length", hidden // num_heads)
    config: dict[str, Any] = {
        "model_type": ARCHITECTURES[architecture],
        "vocab_size": _shape(file, "token_embd.weight")[0],
        "hidden_size": hidden,
        "intermediate_size": keys.count("feed_forward_length"),
        "num_hidden_layers": keys.count("block_count"),
        "num_attention_heads": num_heads,
        "num_key_value_heads": keys.count("attention.head_count_kv", num_heads),
        "head_dim": head_dim,
        "max_position_embeddings": keys.count("context_length"),
        "rms_norm_eps": keys.number("attention.layer_norm_rms_epsilon"),
        "rope_parameters": _rope(file, keys, architecture, head_dim),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "dtype": file.dtype,
        **{name: file.metadata.get(f"tokenizer.ggml.{name}") for name in ("bos_token_id", "eos_token_id")},
        "pad_token_id": None,
        **_own(keys, architecture, hidden // num_heads, head_dim),
    }
    _check_shapes(file, config)
    return config


def _own(keys: _Keys, architecture: str, width_of_head: int, head_dim: int) -> dict[str, Any]:
    """What only some families have."""
    if architecture in ("gemma2", "gemma3"):
        is_27b = keys.count("block_count") == _GEMMA_27B[architecture]
        caps = {
            f"{name}_softcapping": keys.number(f"{name}_softcapping") if keys.has(f"{name}_softcapping") else None
            for name in ("attn_logit", "final_logit")
        }
        scalar = width_of_head if is_27b else head_dim
        types = _layer_types(keys, architecture)
        return {"query_pre_attn_scalar": scalar, **_window(keys), **caps, **types}
    if architecture == "phi3":
        return {**_window(keys), **_original_length(keys)}
    return {}


def _window(keys: _Keys) -> dict[str, int | None]:
    name = "attention.sliding_window"
    return {"sliding_window": keys.count(name) if keys.has(name) else None}


def _layer_types(keys: _Keys, architecture: str) -> dict[str, Any]:
    every = keys.count("attention.sliding_window_pattern", 6 if architecture == "gemma3" else 2)
    is_full = [(layer + 1) % every == 0 for layer in range(min(keys.count("block_count"), _MAX_LAYERS))]
    return {"layer_types": ["full_attention" if it else "sliding_attention" for it in is_full]}


def _original_length(keys: _Keys) -> dict[str, int]:
    name = "rope.scaling.original_context_length"
    return {"original_max_position_embeddings": keys.count(name)} if keys.has(name) else {}


def _rope(file: GgufFile, keys: _Keys, architecture: str, head_dim: int) -> dict[str, Any]:
    theta = keys.number("rope.freq_base", 10000.0)
    rope = {"rope_type": "default", "rope_theta": theta, **_scaling(file, keys, theta, head_dim)}
    if architecture == "gemma3":
        local = {"rope_type": "default", "rope_theta": keys.number("rope.freq_base_swa", 10000.0)}
        return {"full_attention": rope, "sliding_attention": local}
    if architecture == "phi3":
        rope["partial_rotary_factor"] = keys.count("rope.dimension_count", head_dim) / head_dim
    return rope


def _scaling(file: GgufFile, keys: _Keys, theta: float, head_dim: int) -> dict[str, Any]:
    """How far apart positions are beyond the length that a model was trained for first."""
    if "rope_freqs.weight" in file.tensors:
        return _llama_3_rope(file, theta, head_dim)
    if "rope_factors_long.weight" in file.tensors:
        factors = {f"{name}_factor": file.values(f"rope_factors_{name}.weight").tolist() for name in ("long", "short")}
        length = _original_length(keys)
        attention = keys.number("rope.scaling.attn_factor", 1.0)
        return {"rope_type": "longrope", **factors, **length, "attention_factor": attention}
    kind = keys.text("rope.scaling.type")
    if kind in ("", "none"):
        return {}
    if kind not in ("linear", "yarn"):
        raise CheckpointError(
            f"the GGUF file {file.path} has positions scaled by {kind!r}; only linear and yarn are read"
        )
    return {"rope_type": kind, "factor": keys.number("rope.scaling.factor"), **_original_length(keys)}


def _llama_3_rope(file: GgufFile, theta: float, head_dim: int) -> dict[str, Any]:
    """Llama 3's factor: the file has what becomes of it, a divisor for each frequency."""
    found = file.values("rope_freqs.weight")
    factor = float(found.max())
    low, high, length = _LLAMA_3_ROPE.values()
    turns = length * theta ** (-np.arange(0, head_dim, 2) / head_dim) / (2 * math.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    if found.shape != smooth.shape or not np.allclose(found, 1 / ((1 - smooth) / factor + smooth), rtol=1e-3):
        raise CheckpointError(f"the rope_freqs of the GGUF file {file.path} are not Llama 3's, which alone are read")
    return {"rope_type": "llama3", "factor": round(factor, 4), **_LLAMA_3_ROPE}


def _check_shapes(file: GgufFile, config: dict[str, Any]) -> None:
    """Refuses numbers that the tensors contradict, before anything of their size is made."""
    rows = config["num_attention_heads"] * config["head_dim"]
    layers = {name.split(".")[1] for name in file.tensors if name.startswith("blk.")}
    hidden = config["hidden_size"]
    for what, expected, found in (
        ("embedding_length", hidden, _shape(file, "token_embd.weight")[-1]),
        ("block_count", config["num_hidden_layers"], len(layers)),
        ("feed_forward_length", config["intermediate_size"], _shape(file, "blk.0.ffn_down.weight")[-1]),
        ("attention.key_length * attention.head_count", rows, _shape(file, "blk.0.attn_output.weight")[-1]),
    ):
        if expected != found:
            raise CheckpointError(f"the GGUF file {file.path} has {what} {expected}, and tensors for {found}")
    if config["num_attention_heads"] % config["num_key_value_heads"]:
        raise CheckpointError(f"the GGUF file {file.path} has key-value heads that do not divide its heads")


def _shape(file: GgufFile, name: str) -> tuple[int, ...]:
    if name not in file.tensors:
        raise CheckpointError(f"the GGUF file {file.path} has no {name}: it is no whole model")
    return file.tensors[name].shape
