"""Which files of a checkpoint are needed: weights as safetensors, configs, tokenizer and chat template."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import SUFFIX, is_gguf

WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = f"{WEIGHTS}.index.json"

_MAX_INDEX_BYTES = 64 << 20
"""The largest list of shards that is read; one of 400 billion weights has 120 KB, one of many experts some MB."""

_MAX_SHOWN = 8

_SPLIT = re.compile(r".*-(\d+)-of-(\d+)\.gguf")
MAX_JSON_BYTES = 16 << 20
"""The largest JSON that is read; configs with settings for each layer have some 100 KB."""

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_TOKENIZER = re.compile(r"tokenizer\.model|chat_template\.jinja|merges\.txt")
_OTHER_FORMS = re.compile(r"(params|tekken)\.json|.*\.index\.json")

_TAKE = "take a repository that has them as model.safetensors beside a config.json"
_CONVERTERS = "transformers.models.mistral.convert_mistral_weights_to_hf or transformers.models.llama's"

_FOREIGN: tuple[tuple[str, str], ...] = (
    (
        r"consolidated.*|params\.json",
        "its weights are laid out for Mistral's or Meta's own code ({}), not for transformers: take the repository's "
        f"files for transformers (model*.safetensors and config.json), or convert them with python -m {_CONVERTERS}",
    ),
    (r"[^/]+\.(ggml|ggmlv\d|llamafile)(\.[^/]+)?", f"its weights are of a form before GGUF ({{}}): {_TAKE}"),
    (
        r"[^/]+\.(bin|pt|pth|ckpt)",
        "its weights are only there as pickles ({}), which can run code when they are read; "
        "only safetensors are: choose a revision that has them, or convert them where you trust the source",
    ),
    (
        r"adapter_(config\.json|model\.safetensors)",
        "it is a LoRA adapter ({}), which only changes another model: name its base model as the checkpoint, and the "
        "adapter with --lora-modules NAME=FOLDER",
    ),
    (r"tf_model.*\.h5|[^/]+\.keras", f"its weights are TensorFlow's ({{}}): {_TAKE}"),
    (r"flax_model.*\.msgpack", f"its weights are Flax's ({{}}): {_TAKE}"),
    (r"[^/]+\.onnx(_data)?", f"its weights are an ONNX graph ({{}}): {_TAKE}"),
    (r"openvino_.*\.xml", f"its weights are OpenVINO's ({{}}): {_TAKE}"),
    (r"[^/]+\.engine", f"it is an engine of TensorRT-LLM ({{}}), made for one kind of GPU: {_TAKE}"),
    (r"[^/]+\.npz", f"its weights are arrays of MLX or NumPy ({{}}): {_TAKE}"),
    (r"model_index\.json", f"it is a pipeline of diffusers ({{}}), and no model of text: {_TAKE}"),
)
"""Files that others' programs have weights in, as patterns, and what is to be done with each."""


def needed_files(names: Collection[str], gguf_file: str = "") -> list[str]:
    """Those of a repository's files that serving needs: one form of the weights, and nothing of subfolders.

    Args:
        names: All its files, as paths relative to its root.
        gguf_file: See `CatalogModel`.

    Raises:
        CheckpointError: It has no config, no tokenizer, or no weights in safetensors; or not this GGUF file.
    """
    ggufs = sorted(name for name in names if name.endswith(SUFFIX))
    if gguf_file:
        if gguf_file not in ggufs:
            raise CheckpointError(f"it has no {gguf_file}, but {', '.join(ggufs[:_MAX_SHOWN]) or 'no GGUF file'}")
        return [gguf_file]
    if ggufs and not any(name.endswith(".safetensors") for name in names):
        shown = ", ".join(ggufs[:_MAX_SHOWN])
        raise CheckpointError(f"its weights are only there as GGUF: set gguf_file in the catalog to one of {shown}")
    if "config.json" not in names:
        _refuse_foreign(names)
        raise CheckpointError("it has no config.json, so it is no checkpoint of transformers")
    if not {"tokenizer.json", "tokenizer.model"} & set(names):
        raise CheckpointError(
            "it has neither tokenizer.json nor tokenizer.model, the forms of a tokenizer that are read"
        )
    configs = [name for name in names if name.endswith(".json") and "/" not in name and not _OTHER_FORMS.match(name)]
    return sorted([*_weights(names), *configs, *filter(_TOKENIZER.fullmatch, names)])


def missing_files(folder: Path) -> list[str]:
    """What a folder lacks to be a checkpoint; nothing if it is one.

    Raises:
        CheckpointError: Its weights are in another form, or the list of its shards can't be read.
    """
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    if "config.json" not in names:
        _refuse_foreign(names)
        return ["config.json"]
    if files := weight_files(folder):
        return [path.name for path in files if path.name not in names]
    _refuse_foreign(names)
    return [WEIGHTS]


def find_gguf(checkpoint: Path) -> Path | None:
    """The GGUF file that a checkpoint is: itself, or the only one in a folder without safetensors; None if it is none.

    Raises:
        CheckpointError: It is in a folder with others, or is not there, or is one of several parts.
    """
    if is_gguf(checkpoint) and not checkpoint.is_dir():
        found = [checkpoint]
    elif checkpoint.is_dir() and not weight_files(checkpoint):
        # the part of a model that reads pictures stands beside the model
        found = sorted(path for path in checkpoint.glob(f"*{SUFFIX}") if not path.name.startswith("mmproj"))
    else:
        return None
    if len(found) > 1:
        shown = ", ".join(path.name for path in found[:_MAX_SHOWN])
        raise CheckpointError(f"{checkpoint} has several GGUF files; name one of them as the checkpoint: {shown}")
    if found and not found[0].is_file():
        raise CheckpointError(f"there is no file {found[0]}")
    if found and (split := _SPLIT.fullmatch(found[0].name)) and int(split[2]) > 1:
        raise CheckpointError(f"{found[0]} is one of {split[2]} parts: put them together with llama-gguf-split --merge")
    return found[0] if found else None


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
    _refuse_foreign(names)
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


def _refuse_foreign(names: Collection[str]) -> None:
    """Refuses what is known to be something else, once no weights were found that are read.

    Args:
        names: The files of a folder or repository.

    Raises:
        CheckpointError: It has files of another form; the message names one and says what to do.
    """
    for pattern, message in _FOREIGN:
        if found := sorted(name for name in names if re.fullmatch(pattern, name)):
            raise CheckpointError(message.format(found[0]))


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """A JSON object of a checkpoint's.

    Raises:
        CheckpointError: It is none, or too large.
        OSError: It can't be read.
    """
    if (size := path.stat().st_size) > max_bytes:
        raise CheckpointError(f"{path} has {size} bytes; at most {max_bytes} are read")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} can't be read: it is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no JSON object")
    return content
