"""What a checkpoint takes, computed from its config and the headers of its weights; nothing is loaded for it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import weight_files

BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 8),
}
"""The bits of one element, by the name that safetensors has for its type."""

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""The names of torch's types in safetensors."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of a checkpoint.

    Attributes:
        dtype: Its type, one of `BITS`.
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """What it takes as it is."""
        return math.prod(self.shape) * BITS[self.dtype] // 8

    def loaded_bytes(self, dtype: str, quantization: str, name: str) -> int:
        """What it takes once it is loaded.

        Args:
            dtype: The torch dtype to compute in, or "auto".
            quantization: The catalog's; "int8" leaves one byte to each weight of a decoder layer's matrices, with a
                scale for each of their rows.
            name: Its name. The packed zeros of AWQ and GPTQ become numbers like their scales at load. Both are there
                twice where a kernel reads GPTQ's 8 bits, which is not counted: 3 % more in groups of 128.
        """
        kind = DTYPES[dtype] if dtype != "auto" and self.dtype in DTYPES.values() else self.dtype
        if name.endswith(".qzeros"):
            return 0
        if name.endswith(".scales"):  # with the zeros
            return 2 * math.prod(self.shape) * BITS[kind] // 8
        if quantization == "int8" and len(self.shape) == 2 and ".layers." in name:
            return math.prod(self.shape) + self.shape[0] * BITS[kind] // 8
        return math.prod(self.shape) * BITS[kind] // 8


def read_weights(folder: Path) -> dict[str, Weight]:
    """The tensors of a checkpoint's folder by name, from the files' headers.

    Raises:
        CheckpointError: A file is no safetensors, or is shorter or longer than its header says.
        OSError: A file can't be read.
    """
    weights: dict[str, Weight] = {}
    for path in weight_files(folder):
        weights |= read_header(path)
    return weights


def stored_bytes(weights: Mapping[str, Weight]) -> int:
    """What a checkpoint's weights take on the disk."""
    return sum(weight.size_bytes for weight in weights.values())


def weights_bytes(
    weights: Mapping[str, Weight], dtype: str = "auto", quantization: str = "", num_ranks: int = 1
) -> int:
    """What a checkpoint's weights take once they are loaded; see `Weight.loaded_bytes`.

    Of a model that is sharded over several ranks, what one of them has: its shard of each matrix, and all of the rest.
    Of biases, which count as the rest here, it has less.
    """
    return sum(
        weight.loaded_bytes(dtype, quantization, name) // (num_ranks if _is_sharded(name, weight, num_ranks) else 1)
        for name, weight in weights.items()
    )


def _is_sharded(name: str, weight: Weight, num_ranks: int) -> bool:
    """Embeddings and heads are sharded by the vocabulary if that can be divided: `service.engine.sharding.shard`."""
    return len(weight.shape) == 2 and (".layers." in name or weight.shape[0] % num_ranks == 0)


def kv_bytes_per_token(config: Mapping[str, Any], dtype: str = "auto") -> int:
    """What the KV cache takes for one token.

    Args:
        config: The checkpoint's config.json.
        dtype: The torch dtype to compute in, or "auto" for the config's.

    Raises:
        CheckpointError: The config is not one of a decoder with attention in every layer.
    """
    try:
        num_heads = config["num_attention_heads"]
        head_size = config.get("head_dim") or config["hidden_size"] // num_heads
        num_kv_heads = config.get("num_key_value_heads") or num_heads
        stored = config.get("dtype") or config.get("torch_dtype") or "float32"
        kind = DTYPES[stored if dtype == "auto" else dtype]
        return int(2 * config["num_hidden_layers"] * num_kv_heads * head_size * BITS[kind] // 8)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"config.json does not tell the size of the KV cache: {error!r}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's config.json.

    Raises:
        CheckpointError: It is no JSON object.
        OSError: It can't be read.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is no JSON object")
    return config


def in_gb(num_bytes: int) -> str:
    """A size for a person to read, in units of 10^9 bytes as disks and the hub use them."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2f} MB"


def read_header(path: Path) -> dict[str, Weight]:
    """The tensors of one file by name.

    Raises:
        CheckpointError: It is no safetensors, or is shorter or longer than its header says.
        OSError: It can't be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            weights = {name: Weight(it.get_dtype(), tuple(it.get_shape())) for name, it in slices.items()}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error
    unknown = {weight.dtype for weight in weights.values()} - BITS.keys()
    if unknown:
        raise CheckpointError(f"{path} has weights of type {unknown.pop()}; expected one of {', '.join(BITS)}")
    return weights
