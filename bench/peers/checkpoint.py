"""The checkpoint that every engine gets: a random Llama of 110 million parameters, as it is and with 4 bits by AWQ."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel

import service.demo

GROUP_SIZE: Final = 128
_AWQ: Final = {"bits": 4, "group_size": GROUP_SIZE, "quant_method": "awq", "version": "gemm", "zero_point": True}
_AWQ_ORDER: Final = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which of eight outputs each nibble of a word has, the lowest first, as AutoAWQ's `WQLinear_GEMM` packs them."""


def save_plain(folder: Path, model: PreTrainedModel) -> None:
    """Saves a model in float16, with a tokenizer of as many tokens as it embeds."""
    model.half().save_pretrained(folder)
    save_tokenizer(folder, model.config.vocab_size)


def save_awq(folder: Path, model: PreTrainedModel) -> None:
    """Saves a model whose layers' matrices are rounded to 4 bits in groups of 128 inputs."""
    config = model.config.to_dict() | {"quantization_config": _AWQ, "dtype": "float16"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        layer = name.removesuffix(".weight")
        tensors |= awq_tensors(layer, weight) if layer.endswith("_proj") else {name: weight.half().contiguous()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    save_tokenizer(folder, model.config.vocab_size)


def awq_tensors(layer: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """A linear's tensors in AWQ's form, each weight rounded to the nearest code of its group.

    Args:
        layer: The linear's name.
        weight: [outputs, inputs]; outputs are a multiple of 8, inputs of `GROUP_SIZE`.

    Returns:
        int32 `qweight` [inputs, outputs / 8], `qzeros` [groups, outputs / 8] and float16 `scales` [groups, outputs].
    """
    outputs, inputs = weight.shape
    groups = weight.float().view(outputs, -1, GROUP_SIZE)
    least, most = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scales = ((most - least) / 15).clamp(min=1e-6).half()
    zeros = (-least / scales.float()).round().clamp(0, 15)
    codes = ((groups / scales.float()[..., None]).round() + zeros[..., None]).clamp(0, 15).view(outputs, inputs)
    return {
        f"{layer}.qweight": _packed_words(codes.T),
        f"{layer}.qzeros": _packed_words(zeros.T),
        f"{layer}.scales": scales.T.contiguous(),
    }


def _packed_words(codes: torch.Tensor) -> torch.Tensor:
    """[rows, outputs] of codes below 16 to int32 [rows, outputs / 8]."""
    nibbles = codes.to(torch.int64).reshape(codes.shape[0], -1, 8)[..., list(_AWQ_ORDER)]
    words = (nibbles << torch.arange(0, 32, 4)).sum(-1)
    return torch.where(words < 1 << 31, words, words - (1 << 32)).to(torch.int32)


def save_tokenizer(folder: Path, vocab_size: int) -> None:
    """Saves the demo model's tokenizer, with words that no text becomes for the tokens that it lacks."""
    tokenizer: dict[str, Any] = json.loads((service.demo.CHECKPOINT / "tokenizer.json").read_text())
    vocab = tokenizer["model"]["vocab"]
    vocab |= {f" zq{token_id}": token_id for token_id in range(len(vocab), vocab_size)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    config: dict[str, Any] = json.loads((service.demo.CHECKPOINT / "tokenizer_config.json").read_text())
    del config["backend"]  # older versions of transformers, which export for peers, don't know it
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "chat_template.jinja").write_text((service.demo.CHECKPOINT / "chat_template.jinja").read_text())
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    (folder / "generation_config.json").write_text(json.dumps(ends))


def num_weights(checkpoint: Path) -> dict[str, int]:
    """The number of weights in the matrices of `layers`, and of the `head`, which shares those of the embeddings."""
    sizes = {"layers": 0, "head": 0}
    with safe_open(checkpoint / "model.safetensors", "pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - it is no dict
            shape = tensors.get_slice(name).get_shape()
            if len(shape) == 2:
                sizes["head" if "embed" in name else "layers"] += shape[0] * shape[1]
    return sizes
