"""A random model as a checkpoint that the service can load, with a tokenizer of single bytes."""

import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from bench.gpu.cases import Case, ModelShape
from bench.gpu.models import random_model

MODEL = "@bench/random"
_SPECIAL = ("<pad>", "<s>", "</s>")
_CATALOG = """
[models."{model}"]
description = "A random model."
checkpoint = "{folder}"
max_prompt_tokens = {room}
max_completion_tokens = {room}
context_window = {room}
default_max_tokens = 16
default_max_tokens_streamed = 16
"""
_DISK_MARGIN = 1.1


def save_checkpoint(folder: Path, case: Case, device: str) -> Path:
    """Writes a checkpoint of a case's model and a catalog that names it.

    Returns:
        The catalog.

    Raises:
        OSError: There is no room for it.
    """
    need = 2 * case.shape.num_parameters * _DISK_MARGIN
    if shutil.disk_usage(folder).free < need:
        raise OSError(f"the checkpoint to serve takes {need / 1e9:.0f} GB in {folder}: set TMPDIR to another place")
    model: Any = random_model(case.shape, case.weights, device)
    model.save_pretrained(folder / "random")
    del model
    torch.cuda.empty_cache()  # the engine is another process
    fast = PreTrainedTokenizerFast(tokenizer_object=_byte_tokenizer(case.shape), bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder / "random")
    catalog = folder / "catalog.toml"
    room = case.shape.max_position_embeddings
    catalog.write_text(_CATALOG.format(model=MODEL, folder=folder / "random", room=room))
    return catalog


def _byte_tokenizer(shape: ModelShape) -> Tokenizer:
    """A token for each byte; the model's other tokens are words that no text becomes."""
    tokens = [*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokens += [f"t{number}" for number in range(len(tokens), shape.vocab_size)]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(_SPECIAL))
    return tokenizer
