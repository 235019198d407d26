"""A Llama's checkpoint as a GGUF file, by the gguf package."""

import json
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from safetensors.numpy import load_file

_FILE_TYPES: Final = {
    "F32": LlamaFileType.ALL_F32,
    "F16": LlamaFileType.MOSTLY_F16,
    "BF16": LlamaFileType.MOSTLY_BF16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": LlamaFileType.MOSTLY_Q4_0,
}
_PERMUTED: Final = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
_WORD_EMBEDDINGS: Final = ("token_embd", "output")


def save_gguf(path: Path, checkpoint: Path, kind: str) -> None:
    """Converts a folder that `bench.peers.checkpoint` wrote.

    Args:
        path: The new file.
        checkpoint: The folder.
        kind: Of the matrices, one of GGUF's types. Word embeddings have 8 bits beside matrices of 4, as llama.cpp's
            own quantizer keeps them larger too.
    """
    config = json.loads((checkpoint / "config.json").read_text())
    writer = GGUFWriter(path, "llama")
    _add_config(writer, config)
    writer.add_file_type(_FILE_TYPES[kind])
    _add_tokens(writer, json.loads((checkpoint / "tokenizer.json").read_text()), config["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, weight in load_file(checkpoint / "model.safetensors").items():
        base = name.removesuffix(".weight")
        new_name = names.get_name(base)
        if heads := _PERMUTED.get(base.rpartition(".")[2]):
            weight = in_pairs(weight, config[heads])
        _add_matrix(writer, f"{new_name}.weight", weight, kind_of(str(new_name), weight.ndim, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def kind_of(name: str, num_dims: int, kind: str) -> str:
    """The type of a tensor in a file of some kind."""
    if num_dims == 1:
        return "F32"
    return "Q8_0" if kind == "Q4_0" and name in _WORD_EMBEDDINGS else kind


def in_pairs(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Rows of heads whose rotated numbers stand side by side, as llama.cpp has them, and not half a head apart."""
    halves = weight.reshape(num_heads, 2, -1, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _add_matrix(writer: GGUFWriter, name: str, weight: np.ndarray, kind: str) -> None:
    form = GGMLQuantizationType[kind]
    floats = np.ascontiguousarray(weight.astype(np.float32))
    if form is GGMLQuantizationType.F32:
        writer.add_tensor(name, floats)
    elif form is GGMLQuantizationType.F16:
        writer.add_tensor(name, floats.astype(np.float16))
    else:
        writer.add_tensor(name, gguf.quants.quantize(floats, form), raw_dtype=form)


def _add_config(writer: GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokens(writer: GGUFWriter, tokenizer: dict[str, Any], vocab_size: int) -> None:
    """Tokens enough for ids to become text; requests name tokens by id, so no merges are needed."""
    words = {token_id: word for word, token_id in tokenizer["model"]["vocab"].items()}
    special = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    tokens = [(words | special)[token_id] for token_id in range(vocab_size)]
    types = [
        TokenType.CONTROL if token_id in special else TokenType.BYTE if _is_byte(token) else TokenType.NORMAL
        for token_id, token in enumerate(tokens)
    ]
    types[0] = TokenType.UNKNOWN
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.replace(" ", "\N{LOWER ONE EIGHTH BLOCK}") for token in tokens])
    writer.add_token_scores([-float(token_id) for token_id in range(vocab_size)])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def _is_byte(token: str) -> bool:
    return len(token) == 6 and token.startswith("<0x")
