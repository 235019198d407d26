"""A checkpoint's tokenizer, without torch."""

import json
import threading
from pathlib import Path
from typing import Any

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import is_gguf, read_gguf
from service.checkpoints.gguf_tokenizer import end_token_ids, gguf_tokenizer, special_tokens
from service.checkpoints.tokenizer_model import with_tokenizer_json

# Of two threads that import transformers for the first time, one finds a package without classes.
_importing = threading.Lock()


def load_tokenizer(checkpoint: Path) -> Any:
    """transformers' tokenizer of a checkpoint, with its chat template. Takes seconds.

    Takes tokenizer.json as it is, or makes one of tokenizer.model. `AutoTokenizer` would import torch, and for some
    classes build its own tokenizer.

    Args:
        checkpoint: Its folder, or its GGUF file.

    Raises:
        CheckpointError: It has no tokenizer that can be read.
        OSError, ValueError: The same of a folder.
    """
    with _importing:
        from transformers import PreTrainedTokenizerFast  # slow to import, and the engine should be started first

    if is_gguf(checkpoint):
        file = read_gguf(checkpoint)
        backend, named = gguf_tokenizer(file), special_tokens(file)
        template = file.metadata.get("tokenizer.chat_template")
        if not isinstance(template, str | None):
            raise CheckpointError(f"the GGUF file {checkpoint} has a tokenizer.chat_template that is no text")
        return PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=template, **named)  # type: ignore[no-untyped-call]
    return PreTrainedTokenizerFast.from_pretrained(with_tokenizer_json(checkpoint), local_files_only=True)


def read_end_token_ids(checkpoint: Path) -> set[int]:
    """The tokens that end a turn: all that a checkpoint names. Llama 3.1 has three, of which its tokenizer knows one.

    Raises:
        OSError, ValueError: Its configs can't be read.
    """
    if is_gguf(checkpoint):
        return end_token_ids(read_gguf(checkpoint))
    found: set[int] = set()
    for name in ("generation_config.json", "config.json"):
        path = checkpoint / name
        named = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        found.update([named] if isinstance(named, int) else named or [])
    return found
