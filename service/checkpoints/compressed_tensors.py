"""What the config of a checkpoint by compressed-tensors says, which llm-compressor writes."""

from collections.abc import Mapping
from typing import Any

from service.checkpoints.errors import CheckpointError

_KINDS = {
    "pack-quantized": (("int", 4), ("int", 8)),
    "int-quantized": (("int", 8),),
    "float-quantized": (("float", 8),),
    "naive-quantized": (("int", 8), ("float", 8)),
}
"""Of each format that is read, which numbers its weights may be: their type and bits."""

_STRATEGIES = ("tensor", "channel", "group", "block")
_WHAT_TO_DO = "take its plain weights, or quantize them in one of: FP8, FP8_DYNAMIC, FP8_BLOCK, W8A8, W8A16, W4A16"


def read_blocks(settings: Mapping[str, Any]) -> frozenset[tuple[int, int]]:
    """How many outputs and inputs share a scale, in those layers where that is neither an output nor all.

    Args:
        settings: The `quantization_config` of a checkpoint.

    Raises:
        CheckpointError: Its weights are in a form that can't be read.
    """
    _check_whole(settings)
    groups = settings.get("config_groups")
    if not isinstance(groups, dict) or not all(isinstance(group, dict) for group in groups.values()):
        raise CheckpointError("the config of compressed-tensors has no config_groups with settings of its layers")
    blocks = (_block(group, settings.get("format")) for group in groups.values() if group.get("weights") is not None)
    return frozenset(block for block in blocks if block is not None)


def _check_whole(settings: Mapping[str, Any]) -> None:
    """Refuses what concerns all layers: weights that are not stored packed, sparse ones, rotated ones."""
    status = settings.get("quantization_status", "compressed")
    if status != "compressed":
        raise CheckpointError(
            f"weights of compressed-tensors with the status {status!r} can't be loaded: save them with "
            "save_compressed=True"
        )
    sparsity = settings.get("sparsity_config") or {}
    if not isinstance(sparsity, dict) or sparsity.get("format", "dense") != "dense":
        raise CheckpointError(f"sparse weights of compressed-tensors can't be loaded: {_WHAT_TO_DO}")
    if settings.get("transform_config"):
        raise CheckpointError(
            f"weights of compressed-tensors that are rotated (transform_config) can't be loaded: {_WHAT_TO_DO}"
        )


def _block(group: Mapping[str, Any], format_of_all: object) -> tuple[int, int] | None:
    """The block of one group of layers, if it has any.

    Raises:
        CheckpointError: Its weights can't be read.
    """
    weights, form = group["weights"], group.get("format") or format_of_all
    if not isinstance(weights, dict) or not isinstance(form, str):
        raise CheckpointError("the config of compressed-tensors does not say how the weights of its groups are stored")
    number = weights.get("type", "int"), weights.get("num_bits")
    if number not in _KINDS.get(form, ()):
        raise CheckpointError(
            f"compressed-tensors weights in the format {form!r} ({number[0]}, {number[1]} bits) can't be loaded: "
            f"{_WHAT_TO_DO}"
        )
    strategy = weights.get("strategy") or ("group" if weights.get("group_size") else "tensor")
    if strategy not in _STRATEGIES:
        raise CheckpointError(f"compressed-tensors weights with scales by {strategy!r} can't be loaded: {_WHAT_TO_DO}")
    if strategy == "block":
        return block_size(weights.get("block_structure"), "block_structure")
    return block_size([1, weights.get("group_size")], "group_size") if strategy == "group" else None


def block_size(value: object, name: str) -> tuple[int, int]:
    """Two sizes that a config has.

    Args:
        value: What it has there.
        name: The key.

    Raises:
        CheckpointError: They are no positive integers.
    """
    if not isinstance(value, list) or len(value) != 2 or not all(type(size) is int and size >= 1 for size in value):
        raise CheckpointError(f"{name} is {value!r}; expected sizes of at least 1")
    return value[0], value[1]
