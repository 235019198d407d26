"""Which files of a checkpoint are needed: weights as safetensors, configs, tokenizer and chat template."""

import json
import re
from collections.abc import Collection
from pathlib import Path

from service.checkpoints.errors import CheckpointError
from service.checkpoints.foreign_files import refuse_foreign

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = f"{WEIGHTS}.index.json"

_MAX_INDEX_BYTES = 64 << 20
"""The largest list of shards that is read; one of 400 billion weights has 120 KB, one of many experts some MB."""

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_TOKENIZER = re.compile(r"tokenizer\.model|chat_template\.jinja|merges\.txt")
_OTHER_FORMS = re.compile(r"(params|tekken)\.json|.*\.index\.json")


def needed_files(names: Collection[str]) -> list[str]:
    """Those of a repository's files that serving needs: one form of the weights, and nothing of subfolders.

    Args:
        names: All its files, as paths relative to its root.

    Raises:
        CheckpointError: It has no config, no tokenizer, or no weights in safetensors.
    """
    if "config.json" not in names:
        refuse_foreign(names)
        raise CheckpointError("it has no config.json, so it is no checkpoint of transformers")
    if "tokenizer.json" not in names:
        raise CheckpointError("it has no tokenizer.json, the one form of a tokenizer that is read")
    configs = [name for name in names if name.endswith(".json") and "/" not in name and not _OTHER_FORMS.match(name)]
    return sorted([*_weights(names), *configs, *filter(_TOKENIZER.fullmatch, names)])


def missing_files(folder: Path) -> list[str]:
    """What a folder lacks to be a checkpoint; nothing if it is one.

    Raises:
        CheckpointError: Its weights are in another form, or the list of its shards can't be read.
    """
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    if "config.json" not in names:
        refuse_foreign(names)
        return ["config.json"]
    if files := weight_files(folder):
        return [path.name for path in files if path.name not in names]
    refuse_foreign(names)
    return [WEIGHTS]


def weight_files(folder: Path) -> list[Path]:
    """The files that a folder's weights are in, as transformers chooses them; other safetensors are not read.

    Raises:
        CheckpointError: The list of the shards can't be read.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / WEIGHTS_INDEX
    return [folder / name for name in _shards(index)] if index.is_file() else []


def _weights(names: Collection[str]) -> list[str]:
    if WEIGHTS in names:
        return [WEIGHTS]
    shards = [name for name in names if _SHARD.fullmatch(name)]
    if shards and WEIGHTS_INDEX in names:
        return [WEIGHTS_INDEX, *shards]
    refuse_foreign(names)
    raise CheckpointError(f"it has neither {WEIGHTS} nor {WEIGHTS_INDEX} with its shards")


def _shards(index: Path) -> list[str]:
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            raise CheckpointError(f"{index} is larger than {_MAX_INDEX_BYTES >> 20} MiB, which no list of shards is")
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if outside := [name for name in names if not name or Path(name).name != name]:
            raise CheckpointError(f"{index} names {outside[0]!r}, which is no file beside it")
    except (OSError, KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{index} can't be read: {error!r}") from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{index} is not text") from error
    return names
