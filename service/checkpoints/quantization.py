"""How a checkpoint's weights are quantized, as its configuration files tell."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.checkpoints.compressed_tensors import block_size, read_blocks
from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import read_weights, stored_layers

_log = logging.getLogger(__name__)

QUANTO_MAP = "quanto_qmap.json"
"""The file in which optimum-quanto names the layers that it quantized, and to what."""

_BITS = {"awq": (4,), "gptq": (4, 8)}
_AWQ_LAYOUTS = ("gemm", "exllama")
"""What AutoAWQ calls this one layout; "gemv", "gemv_fast" and "marlin" are others."""

_BY_LAYER = ("bitsandbytes", "compressed-tensors", "fbgemm_fp8", "fp8")
"""Methods whose layers each tell by their tensors how they are stored (`service.checkpoints.headers`)."""

READ = "plain, or awq, gptq, compressed-tensors, fp8, bitsandbytes or optimum-quanto's of 8 bits"
"""The forms of weights that are read, for a refusal to name."""

_OTHERS = f"take a checkpoint whose weights are {READ}"

_GPTQ_LAYOUTS = ("gptq", "gptq_v2")
_BITSANDBYTES_FLAGS = frozenset({"load_in_4bit", "load_in_8bit"})
"""What configs of bitsandbytes had before there was a `quant_method`."""

_OLD_FILES = {"awq": "quant_config.json", "gptq": "quantize_config.json"}
"""Where AutoAWQ and AutoGPTQ wrote their settings before config.json had a place for them."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights of linear layers are stored.

    Attributes:
        method: "awq", "gptq", "int8", or one of those whose layers differ: "bitsandbytes", "compressed-tensors", "fp8".
        bits: How many bits a weight has; 0 where layers differ.
        group_size: How many inputs of an output share scale and zero; -1 for all of them, 0 where layers differ.
        is_zero_less_one: Whether zeros are stored less one, as GPTQ's first format does.
        is_stored: Whether the checkpoint holds them so; otherwise they are quantized while it is loaded.
        blocks: Of layers that differ, how many outputs and inputs may share a scale.
    """

    method: str
    bits: int
    group_size: int
    is_zero_less_one: bool = False
    is_stored: bool = True
    blocks: frozenset[tuple[int, int]] = frozenset()

    @property
    def is_by_layer(self) -> bool:
        """Whether each layer's tensors tell how it is stored."""
        return self.method in _BY_LAYER


INT8_AT_LOAD = Quantization("int8", 8, -1, is_stored=False)


def read_quantization(checkpoint: Path, config: Mapping[str, Any] | None, wanted: str) -> Quantization | None:
    """How a checkpoint is to be loaded.

    Args:
        checkpoint: Its folder.
        config: The `quantization_config` of its config.json, if that has one.
        wanted: The catalog's `quantization`; empty for whatever the checkpoint has.

    Returns:
        None for plain weights.

    Raises:
        CheckpointError: The two contradict each other, or the weights are in a form that is not known here.
    """
    if config is not None and not isinstance(config, Mapping):
        raise CheckpointError(f"the quantization_config of {checkpoint} is {type(config).__name__}; expected an object")
    stored = _read_stored(checkpoint, config or _old_settings(checkpoint))
    if stored is None:
        if wanted in _BITS:
            raise CheckpointError(
                f"the catalog says that the weights are {wanted}, but {checkpoint} has no quantization_config of "
                f"{wanted}: name a checkpoint that has, or leave quantization out"
            )
        return INT8_AT_LOAD if wanted == "int8" else None
    if wanted not in ("", stored.method):
        raise CheckpointError(
            f"the catalog says that the weights are {wanted}, but those of {checkpoint} are {stored.method}: "
            + ("leave quantization out" if stored.is_by_layer else f'set quantization = "{stored.method}"')
        )
    return stored


def int8_folder(checkpoint: Path) -> Path:
    """Where `python -m service quantize` puts a checkpoint's int8 weights."""
    return checkpoint.with_name(f"{checkpoint.name}-int8")


def best_stored(checkpoint: Path, wanted: str) -> Path:
    """The folder to load: the one that was quantized ahead, if that is wanted and there, else the checkpoint's own."""
    quantized = int8_folder(checkpoint)
    return quantized if wanted == "int8" and (quantized / QUANTO_MAP).is_file() else checkpoint


def _read_stored(checkpoint: Path, settings: Mapping[str, Any]) -> Quantization | None:
    method = settings.get("quant_method")
    if method == "awq":
        return _read_awq(settings)
    if method == "gptq":
        return _read_gptq(settings)
    if method in _BY_LAYER or (method is None and _BITSANDBYTES_FLAGS & settings.keys()):
        return _read_by_layer(checkpoint, method or "bitsandbytes", settings)
    if method is not None:
        raise CheckpointError(f"weights quantized by {method} can't be loaded: {_OTHERS}")
    if {"group_size", "bits"} <= settings.keys():
        raise CheckpointError(f"weights in the form of Apple's MLX can't be loaded: {_OTHERS}")
    return _read_quanto(checkpoint / QUANTO_MAP) if (checkpoint / QUANTO_MAP).is_file() else None


def _read_by_layer(checkpoint: Path, method: str, settings: Mapping[str, Any]) -> Quantization | None:
    """Of methods whose layers differ; None if the config tells of one and the weights are plain all the same.

    Such are those that transformers saved after it had quantized for itself only, or that somebody unpacked.

    Raises:
        CheckpointError: They are in a form that can't be read.
    """
    blocks: frozenset[tuple[int, int]] = frozenset()
    if method == "compressed-tensors":
        blocks = read_blocks(settings)
    elif method == "fp8" and settings.get("weight_block_size") is not None:
        blocks = frozenset({block_size(settings["weight_block_size"], "weight_block_size")})
    if not stored_layers(read_weights(checkpoint)):
        _log.warning("the config of %s tells of %s, but its weights are plain, and served so", checkpoint, method)
        return None
    return Quantization(method, 0, 0, blocks=blocks)


def _read_awq(settings: Mapping[str, Any]) -> Quantization:
    layout = str(settings.get("version", "gemm")).lower()
    if layout not in _AWQ_LAYOUTS:
        raise CheckpointError(
            f"AWQ weights in the layout {layout!r} can't be loaded, only {_words(_AWQ_LAYOUTS)}: {_OTHERS}"
        )
    if settings.get("zero_point", True) is not True:
        raise CheckpointError(f"AWQ weights without zero points can't be loaded: {_OTHERS}")
    return Quantization("awq", _bits("awq", settings), _group_size(settings))


def _read_gptq(settings: Mapping[str, Any]) -> Quantization:
    # "format" is gptqmodel's later name; checkpoints from before there were two have neither.
    layout = settings.get("checkpoint_format") or settings.get("format") or "gptq"
    if settings.get("is_marlin_format"):
        layout = "marlin"
    if layout not in _GPTQ_LAYOUTS:
        raise CheckpointError(
            f"GPTQ weights in the layout {layout!r} can't be loaded, only {_words(_GPTQ_LAYOUTS)}: {_OTHERS}"
        )
    if settings.get("dynamic"):
        raise CheckpointError(f"GPTQ weights with settings for single layers (dynamic) can't be loaded: {_OTHERS}")
    return Quantization("gptq", _bits("gptq", settings), _group_size(settings), is_zero_less_one=layout == "gptq")


def _bits(method: str, settings: Mapping[str, Any]) -> int:
    bits = settings.get("bits", settings.get("w_bit"))
    if bits not in _BITS[method]:
        known = " and ".join(map(str, _BITS[method]))
        raise CheckpointError(f"{method} weights of {bits} bits can't be loaded, only of {known}: {_OTHERS}")
    return int(bits)


def _group_size(settings: Mapping[str, Any]) -> int:
    size = settings.get("group_size", settings.get("q_group_size"))
    if type(size) is not int or (size < 1 and size != -1):
        raise CheckpointError(f"group_size is {size!r}; expected an integer of at least 1, or -1 for one group")
    return size


def _read_quanto(path: Path) -> Quantization:
    kinds = {(layer["weights"], layer["activations"]) for layer in json.loads(path.read_text()).values()}
    if kinds != {("qint8", "none")}:
        found = _words(sorted(f"{weights} weights with {activations} activations" for weights, activations in kinds))
        raise CheckpointError(f"{path} tells of {found}: only qint8 weights with plain activations can be loaded")
    return Quantization("int8", 8, -1)


def _old_settings(checkpoint: Path) -> dict[str, Any]:
    for method, name in _OLD_FILES.items():
        if (checkpoint / name).is_file():
            settings: dict[str, Any] = json.loads((checkpoint / name).read_text())
            return {"quant_method": method} | settings
    return {}


def _words(names: tuple[str, ...] | list[str]) -> str:
    return " and ".join(names)
