"""The shape of the KV cache, learned from the cache that the model's own class fills.

A config does not always tell: heads may be larger than hidden size / heads, and layers may differ from each other.
"""

import math
from typing import Any, NamedTuple

import torch

from service.engine.device import is_cpu
from service.engine.errors import UnsupportedModelError
from service.engine.native.memory import Chunks
from service.engine_protocol.engine_config import BLOCK_SIZE


class KVShape(NamedTuple):
    """Keys and values of one token in one layer: as many keys as values, all of one size."""

    num_kv_heads: int
    head_size: int


def kv_shapes(cache: Any) -> list[KVShape]:
    """Each layer's shape.

    Args:
        cache: The `past_key_values` that a model's class returned, or None.

    Raises:
        UnsupportedModelError: A layer keeps something else than keys and values of one size, or nothing.
    """
    layers = getattr(cache, "layers", [])
    if not layers:
        raise UnsupportedModelError("its class keeps no keys and values")
    return [_kv_shape(layer, index) for index, layer in enumerate(layers)]


def _kv_shape(layer: Any, index: int) -> KVShape:
    keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
    if keys is None or values is None:
        raise UnsupportedModelError(f"layer {index} keeps no keys and values of its own")
    if keys.shape != values.shape:
        raise UnsupportedModelError(
            f"layer {index} keeps keys of {tuple(keys.shape[1::2])} and values of {tuple(values.shape[1::2])} "
            "(heads, head size), which must be equal"
        )
    return KVShape(keys.shape[1], keys.shape[3])


def bytes_per_block(shapes: list[KVShape], dtype: torch.dtype) -> int:
    """The bytes that a block takes in all layers together."""
    return sum(2 * shape.num_kv_heads * shape.head_size for shape in shapes) * BLOCK_SIZE * dtype.itemsize


def make_kv_cache(
    shapes: list[KVShape], num_blocks: int, dtype: torch.dtype, device: torch.device
) -> list[torch.Tensor]:
    """One tensor for each layer, [num_blocks, BLOCK_SIZE, 2 * KV heads, head size], of zeros.

    On a CPU a block takes memory when it is first written, and it is in huge pages.
    """
    sizes = [(num_blocks, BLOCK_SIZE, 2 * shape.num_kv_heads, shape.head_size) for shape in shapes]
    if not is_cpu(device):
        return [torch.zeros(size, dtype=dtype, device=device) for size in sizes]
    chunks = Chunks()
    return [chunks.zeros(math.prod(size) * dtype.itemsize).view(dtype).view(size) for size in sizes]
