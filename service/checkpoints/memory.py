"""What a checkpoint takes, computed from its config and the headers of its weights; nothing is loaded for it."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import read_json
from service.checkpoints.gguf import is_gguf, read_gguf
from service.checkpoints.gguf_config import gguf_config
from service.checkpoints.gguf_weights import GROUP_SIZE, PACKED_BITS
from service.checkpoints.headers import BITS, GGUF_BYTES, StoredLayer, Weight, stored_layers

DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""The names of torch's types in safetensors."""


def weights_bytes(
    weights: Mapping[str, Weight], dtype: str = "auto", quantization: str = "", num_ranks: int = 1
) -> int:
    """What a checkpoint's weights take once they are loaded.

    Of a model that is sharded over several ranks, what one of them has: its shard of each matrix, and all of the rest.
    Of biases, which count as the rest here, it has less.

    Args:
        weights: Its tensors by name.
        dtype: The torch dtype to compute in, or "auto".
        quantization: The catalog's; "int8" leaves one byte to each weight of a decoder layer's matrices, with a
            scale for each of their rows.
        num_ranks: How many devices share it.
    """
    layers = stored_layers(weights)
    of_layers = {name for layer in layers for name in layer.tensor_names}
    others = {name: weight for name, weight in weights.items() if name not in of_layers}
    plain = _plain_dtype(others, dtype)
    return sum(_layer_bytes(layer, plain, num_ranks) for layer in layers) + sum(
        _loaded_bytes(name, weight, dtype, quantization) // (num_ranks if _is_sharded(name, weight, num_ranks) else 1)
        for name, weight in others.items()
    )


def _layer_bytes(layer: StoredLayer, plain: str, num_ranks: int) -> int:
    """What a layer takes that is stored in a packed form: one that is unpacked is sharded like any other."""
    return layer.loaded_bytes(BITS[plain]) // (1 if layer.stays_packed else num_ranks)


def _plain_dtype(others: Mapping[str, Weight], dtype: str) -> str:
    """The type that unpacked weights get: that of most of the plain ones, unless another is asked for."""
    if dtype != "auto":
        return DTYPES[dtype]
    sizes: Counter[str] = Counter()
    for weight in others.values():
        if weight.dtype in DTYPES.values():
            sizes[weight.dtype] += weight.size_bytes
    return sizes.most_common(1)[0][0] if sizes else "BF16"


def _loaded_bytes(name: str, weight: Weight, dtype: str, quantization: str) -> int:
    """What a tensor takes once it is loaded.

    The packed zeros of AWQ and GPTQ become numbers like their scales at load. Both are there twice where a kernel reads
    GPTQ's 8 bits, which is not counted: 3 % more in groups of 128.
    """
    if weight.dtype in GGUF_BYTES:
        return _loaded_gguf_bytes(name, weight, BITS[DTYPES.get(dtype, "BF16")])
    kind = DTYPES[dtype] if dtype != "auto" and weight.dtype in DTYPES.values() else weight.dtype
    if name.endswith(".qzeros"):
        return 0
    if name.endswith(".scales"):  # with the zeros
        return 2 * math.prod(weight.shape) * BITS[kind] // 8
    if quantization == "int8" and len(weight.shape) == 2 and ".layers." in name:
        return math.prod(weight.shape) + weight.shape[0] * BITS[kind] // 8
    return math.prod(weight.shape) * BITS[kind] // 8


def _loaded_gguf_bytes(name: str, weight: Weight, bits: int) -> int:
    """What a weight in codes of GGUF takes: codes with scales and zeros of each group, or plain numbers."""
    num_weights = math.prod(weight.shape)
    if weight.dtype in PACKED_BITS and len(weight.shape) == 2 and ".layers." in name:
        return (num_weights * PACKED_BITS[weight.dtype] + num_weights // GROUP_SIZE * 2 * bits) // 8
    return num_weights * bits // 8


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


def read_config(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's config.json; of a GGUF file, what would stand there.

    Raises:
        CheckpointError: It is no JSON object, or too large.
        OSError: It can't be read.
    """
    if is_gguf(checkpoint):
        return gguf_config(read_gguf(checkpoint))
    return read_json(checkpoint / "config.json")


def in_gb(num_bytes: int) -> str:
    """A size for a person to read, in units of 10^9 bytes as disks and the hub use them."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2f} MB"
