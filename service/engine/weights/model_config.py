"""A checkpoint's config as transformers' class for it, and what is looked at before a model is made of it."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import is_gguf
from service.checkpoints.headers import Weight
from service.checkpoints.memory import read_config

_LEAST_BITS = 4
"""The bits of the smallest weight that is read."""


def read_model_config(checkpoint: Path) -> Any:
    """A checkpoint's config as transformers' class for it, without which nothing here can use the checkpoint.

    Raises:
        CheckpointError: transformers has no such class of its own, or does not know what the config names; or the
            config is no JSON object.
        OSError: There is no config.
    """
    config = read_config(checkpoint)
    if (kind := str(config.get("model_type"))) not in CONFIG_MAPPING:
        brought = ", and the code that the checkpoint brings along is never run" if "auto_map" in config else ""
        raise CheckpointError(f"transformers {version('transformers')} has no model type {kind!r}{brought}")
    if is_gguf(checkpoint):
        return CONFIG_MAPPING[kind].from_dict(config)
    loaded = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    _check_names(checkpoint / "config.json", loaded.get_text_config())
    return loaded


def config_of_weights(config: Any) -> Any:
    """The quantization that a checkpoint's config describes, under either of its names; may be None."""
    return getattr(config, "quantization_config", None) or getattr(config, "compression_config", None)


def shorten(config: Any, num_layers: int) -> None:
    """Makes a config that of a model with the first layers only."""
    sizes = config.get_text_config()
    sizes.num_hidden_layers = min(num_layers, sizes.num_hidden_layers)
    if getattr(sizes, "layer_types", None):
        sizes.layer_types = sizes.layer_types[: sizes.num_hidden_layers]


def check_sizes(config: Any, weights: Mapping[str, Weight]) -> None:
    """Refuses a config that tells of a model larger than its weights, before memory is taken for that.

    Raises:
        CheckpointError: It does; the message names the size.
    """
    if not weights:
        return  # transformers says it better
    most = sum(8 * weight.size_bytes // _LEAST_BITS for weight in weights.values())
    sizes = config.get_text_config()
    width = _size(sizes, "hidden_size")
    for name in ("vocab_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"):
        if _size(sizes, name) * (1 if name == "num_hidden_layers" else width) > most:
            raise CheckpointError(f"its config has {name} {_size(sizes, name)}, and its weights are fewer than that")


def _rope_types(parameters: object) -> set[str]:
    """The rope types in a config's parameters, which may be nested by kind of layer."""
    if not isinstance(parameters, dict):
        return set()
    nested = [_rope_types(value) for value in parameters.values()]
    return {str(parameters.get("rope_type", "default"))}.union(*nested)


def _check_names(path: Path, config: Any) -> None:
    """Refuses rope types and activations that transformers does not know, which it would only tell as a KeyError."""
    known = {"default", "mrope", *ROPE_INIT_FUNCTIONS}
    if unknown := _rope_types(getattr(config, "rope_parameters", None)) - known:
        raise CheckpointError(_unknown(path, "rope type", min(unknown), known))
    activation = getattr(config, "hidden_act", None) or getattr(config, "hidden_activation", None)
    if isinstance(activation, str) and activation not in ACT2FN:
        raise CheckpointError(_unknown(path, "activation", activation, set(ACT2FN)))


def _unknown(path: Path, what: str, name: str, known: set[str]) -> str:
    return (
        f"{path} can't be used: it names the {what} {name!r}, which transformers {version('transformers')} does not "
        f"know; it knows {', '.join(sorted(known))}"
    )


def _size(config: Any, name: str) -> int:
    found = getattr(config, name, None)
    return found if isinstance(found, int) else 0
