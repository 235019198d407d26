"""Tiny GGUF files, written by the gguf package as llama.cpp's converters write them, and what their weights mean."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import dequantize, quantize
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from tests.support.checkpoints import LLAMA_3_ROPE, tiny_model
from tests.support.tokenizers import byte_level_tokenizer

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "llama-3.1": gguf.MODEL_ARCH.LLAMA,
    "mistral-without-window": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
    "phi3": gguf.MODEL_ARCH.PHI3,
    "phi3-long": gguf.MODEL_ARCH.PHI3,
}
"""The architectures of the families of `tests.support.checkpoints`."""

KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K")

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

HEAD_DIM = 64
_SIZES = {"hidden_size": 256, "intermediate_size": 256, "head_dim": HEAD_DIM}  # K-quants have blocks of 256
_LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "partial_rotary_factor": 0.75,
    "short_factor": [1 + place / 40 for place in range(24)],
    "long_factor": [1 + place / 4 for place in range(24)],
    "original_max_position_embeddings": 32,
    "attention_factor": 1.25,
}
_AS_REAL: dict[str, dict[str, Any]] = {
    "llama-3.1": {"rope_parameters": LLAMA_3_ROPE | {"original_max_position_embeddings": 8192}},
    "phi3-long": {"model_type": "phi3", "rope_parameters": _LONG_ROPE},
    "gemma2": {"query_pre_attn_scalar": HEAD_DIM},
    "gemma3": {
        "query_pre_attn_scalar": HEAD_DIM,
        "num_hidden_layers": 6,
        "layer_types": [*(5 * ["sliding_attention"]), "full_attention"],
    },
}
"""What files don't tell because all real models of a family have it."""


def save_tiny_gguf(path: Path, family: str = "llama", kind: str = "F32", **changes: Any) -> PreTrainedModel:
    """Writes a random model of 2 layers.

    Args:
        path: The file.
        family: One of `ARCHITECTURES`.
        kind: That of its matrices, one of `KINDS`.
        changes: What its config has otherwise.

    Returns:
        The model with the weights that the file means, in float32.
    """
    model = tiny_model(family, **(_SIZES | _AS_REAL.get(family, {}) | changes))
    writer = GGUFWriter(path, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[family]])
    _write_config(writer, model.config)
    _write_weights(writer, model, family, kind)
    write_byte_level(writer, byte_level_tokenizer())
    finish(writer)
    return model.eval()


def finish(writer: GGUFWriter) -> None:
    """Writes what a writer has been told of."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def encoded(weight: np.ndarray, kind: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A matrix in a kind, and what that means.

    Of kinds that the package can only read, it is a random matrix of the same shape.
    """
    form = GGMLQuantizationType[kind]
    data = _random_blocks(weight.shape, kind, seed) if kind.endswith("_K") else quantize(weight, form)
    return data, dequantize(data, form)


def _random_blocks(shape: tuple[int, ...], kind: str, seed: int) -> np.ndarray:
    """Blocks of random codes, with scales that leave weights about as large as those of `tiny_model`."""
    rng = np.random.default_rng(seed)
    num_elements, num_bytes = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    blocks = rng.integers(0, 256, (shape[0] * shape[1] // num_elements, num_bytes), np.uint8)
    scales = (rng.uniform(0.5, 1.0, (len(blocks), 2)) * {"Q4_K": 4e-4, "Q5_K": 2e-4, "Q6_K": 1e-4}[kind]).astype("<f2")
    if kind == "Q6_K":  # it stands at the end there
        blocks[:, -2:] = scales[:, :1].view(np.uint8)
    else:
        blocks[:, :4] = scales.view(np.uint8)
    return blocks.reshape(shape[0], -1)


def _write_weights(writer: GGUFWriter, model: PreTrainedModel, family: str, kind: str) -> None:
    names = gguf.get_tensor_name_map(ARCHITECTURES[family], model.config.num_hidden_layers)
    for seed, (name, parameter) in enumerate(model.state_dict().items()):
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        base, leaf = name.rsplit(".", 1)
        has_pairs = ARCHITECTURES[family] is gguf.MODEL_ARCH.LLAMA and base.endswith(("q_proj", "k_proj"))
        weight = _in_pairs(parameter.numpy()) if has_pairs else parameter.numpy().copy()
        stored = f"{names.get_name(base)}.{leaf}"
        if weight.ndim == 1:
            is_more = family.startswith("gemma") and base.endswith("norm")
            writer.add_tensor(stored, weight + 1 if is_more else weight)
            continue
        data, meant = encoded(weight, kind, seed)
        writer.add_tensor(stored, data, raw_dtype=GGMLQuantizationType[kind])
        parameter.copy_(torch.from_numpy(_in_halves(meant) if has_pairs else meant))


def _in_pairs(weight: np.ndarray) -> np.ndarray:
    """As `LlamaModel.permute` of llama.cpp's converter does it."""
    heads = weight.reshape(-1, 2, HEAD_DIM // 2, *weight.shape[1:])
    return np.ascontiguousarray(heads.swapaxes(1, 2).reshape(weight.shape))


def _in_halves(weight: np.ndarray) -> np.ndarray:
    heads = weight.reshape(-1, HEAD_DIM // 2, 2, *weight.shape[1:])
    return np.ascontiguousarray(heads.swapaxes(1, 2).reshape(weight.shape))


def _write_config(writer: GGUFWriter, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    rope = config.rope_parameters.get("full_attention", config.rope_parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(HEAD_DIM * rope.get("partial_rotary_factor", 1)))
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", _llama_3_divisors(rope))
    if rope["rope_type"] == "longrope":
        for name in ("long", "short"):
            writer.add_tensor(f"rope_factors_{name}.weight", np.array(rope[f"{name}_factor"], np.float32))
        writer.add_rope_scaling_attn_factors(rope["attention_factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def _llama_3_divisors(rope: dict[str, Any]) -> np.ndarray:
    """As `LlamaModel.generate_extra_tensors` of llama.cpp's converter makes them."""
    divisors = []
    for frequency in 1.0 / rope["rope_theta"] ** (np.arange(0, HEAD_DIM, 2) / HEAD_DIM):
        length, wave = rope["original_max_position_embeddings"], 2 * np.pi / frequency
        if wave < length / rope["high_freq_factor"]:
            divisors.append(1.0)
        elif wave > length / rope["low_freq_factor"]:
            divisors.append(rope["factor"])
        else:
            smooth = (length / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors, np.float32)


def write_byte_level(writer: GGUFWriter, tokenizer: Tokenizer, pre: str = "gpt-2") -> None:
    """Writes the vocabulary of a tokenizer over bytes."""
    model = json.loads(tokenizer.to_str())["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    _write_tokens(writer, tokenizer)


def write_sentencepiece(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    """Writes the vocabulary of a tokenizer with byte fallback, whose scores tell what is merged first."""
    model = json.loads(tokenizer.to_str())["model"]
    ranks = {"".join(merge): -float(rank) for rank, merge in reversed(list(enumerate(model["merges"])))}
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_scores([ranks.get(token, -1e6) for token in _tokens(tokenizer)])
    writer.add_add_bos_token(True)
    _write_tokens(writer, tokenizer)


def _write_tokens(writer: GGUFWriter, tokenizer: Tokenizer) -> None:
    added = {token.content: token.special for token in tokenizer.get_added_tokens_decoder().values()}
    types = [_token_type(token, added) for token in _tokens(tokenizer)]
    is_over_bytes = "ByteLevel" in str(tokenizer.decoder)
    pairs = zip(_tokens(tokenizer), types, strict=True)
    # the converter writes what somebody has defined in a SentencePiece vocabulary as it stands in a text
    writer.add_token_list(
        [
            token.replace("▁", " ") if kind is TokenType.USER_DEFINED and not is_over_bytes else token
            for token, kind in pairs
        ]
    )
    writer.add_token_types(types)
    for index, name in enumerate(("unknown", "bos", "eos")):
        if types[index] is not TokenType.NORMAL:
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", index)
    writer.add_chat_template(CHAT_TEMPLATE)


def _token_type(token: str, added: dict[str, bool]) -> TokenType:
    if token in added:
        if not added[token]:
            return TokenType.USER_DEFINED
        return TokenType.UNKNOWN if token == "<unk>" else TokenType.CONTROL
    return TokenType.BYTE if token.startswith("<0x") else TokenType.NORMAL


def _tokens(tokenizer: Tokenizer) -> list[str]:
    vocab = tokenizer.get_vocab()
    return sorted(vocab, key=lambda token: vocab[token])
