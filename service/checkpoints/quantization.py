"""How a checkpoint's weights are quantized, as its configuration files tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.checkpoints.errors import CheckpointError

QUANTO_MAP = "quanto_qmap.json"
"""The file in which optimum-quanto names the layers that it quantized, and to what."""

_BITS = {"awq": (4,), "gptq": (4, 8)}
_AWQ_LAYOUTS = ("gemm", "exllama")
"""What AutoAWQ calls this one layout; "gemv", "gemv_fast" and "marlin" are others."""

_GPTQ_LAYOUTS = ("gptq", "gptq_v2")
_OLD_FILES = {"awq": "quant_config.json", "gptq": "quantize_config.json"}
"""Where AutoAWQ and AutoGPTQ wrote their settings before config.json had a place for them."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights of linear layers are stored.

    Attributes:
        method: "awq", "gptq" or "int8".
        bits: How many bits a weight has.
        group_size: How many inputs of an output share scale and zero; -1 for all of them.
        is_zero_less_one: Whether zeros are stored less one, as GPTQ's first format does.
        is_stored: Whether the checkpoint holds them so; otherwise they are quantized while it is loaded.
    """

    method: str
    bits: int
    group_size: int
    is_zero_less_one: bool = False
    is_stored: bool = True


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
    settings = config or _old_settings(checkpoint)
    stored = _read_stored(checkpoint, settings)
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
            f'set quantization = "{stored.method}"'
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
    if method is not None:
        raise CheckpointError(f"weights quantized by {method} can't be loaded, only by awq, gptq and optimum-quanto")
    return _read_quanto(checkpoint / QUANTO_MAP) if (checkpoint / QUANTO_MAP).is_file() else None


def _read_awq(settings: Mapping[str, Any]) -> Quantization:
    layout = str(settings.get("version", "gemm")).lower()
    if layout not in _AWQ_LAYOUTS:
        raise CheckpointError(f"AWQ weights in the layout {layout!r} can't be loaded, only {_words(_AWQ_LAYOUTS)}")
    if settings.get("zero_point", True) is not True:
        raise CheckpointError("AWQ weights without zero points can't be loaded")
    return Quantization("awq", _bits("awq", settings), _group_size(settings))


def _read_gptq(settings: Mapping[str, Any]) -> Quantization:
    # "format" is gptqmodel's later name; checkpoints from before there were two have neither.
    layout = settings.get("checkpoint_format") or settings.get("format") or "gptq"
    if settings.get("is_marlin_format"):
        layout = "marlin"
    if layout not in _GPTQ_LAYOUTS:
        raise CheckpointError(f"GPTQ weights in the layout {layout!r} can't be loaded, only {_words(_GPTQ_LAYOUTS)}")
    if settings.get("dynamic"):
        raise CheckpointError("GPTQ weights with settings for single layers (dynamic) can't be loaded")
    return Quantization("gptq", _bits("gptq", settings), _group_size(settings), is_zero_less_one=layout == "gptq")


def _bits(method: str, settings: Mapping[str, Any]) -> int:
    bits = settings.get("bits", settings.get("w_bit"))
    if bits not in _BITS[method]:
        known = " and ".join(map(str, _BITS[method]))
        raise CheckpointError(f"{method} weights of {bits} bits can't be loaded, only of {known}")
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
