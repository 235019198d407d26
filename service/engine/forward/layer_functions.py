"""Functions between the matrix products of a llama-like decoder layer: norm, rotary embedding, activation, residual.

Functions of tensors and of sizes that a model never changes, so that `compiled_layers` can compile each once for all
layers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.functional import rms_norm, silu


class Norm(NamedTuple):
    """Root mean square norm over the last dimension (Zhang and Sennrich, arXiv:1910.07467)."""

    weight: torch.Tensor
    epsilon: float

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


class HeadLayout(NamedTuple):
    """The number of a layer's heads, and their size."""

    num_heads: int
    num_kv_heads: int
    head_size: int


def rotate(
    qkv: torch.Tensor,
    cos: torch.Tensor,
    signed_sin: torch.Tensor,
    layout: HeadLayout,
    query_norm: Norm | None,
    key_norm: Norm | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Splits a product into heads, norms them where the model does, and embeds their positions.

    Args:
        qkv: Queries' heads, keys', values', [T, (heads + 2 * KV heads) * head size].
        cos: [T, 1, rotated size], at most the head size.
        signed_sin: Sines, those of the first half negated, [T, 1, rotated size].
        layout: The heads.
        query_norm, key_norm: Both or none.

    Returns:
        Queries [T, heads, head size]; keys' heads, then values', [T, 2 * KV heads, head size].
    """
    heads = qkv.view(qkv.shape[0], -1, layout.head_size)
    num_rotated = layout.num_heads + layout.num_kv_heads
    queries_keys = heads[:, :num_rotated]
    if query_norm is not None and key_norm is not None:
        normed = query_norm(queries_keys[:, : layout.num_heads]), key_norm(queries_keys[:, layout.num_heads :])
        queries_keys = torch.cat(normed, dim=1)
    rotated = _rotated(queries_keys, cos, signed_sin)
    keys_values = torch.cat((rotated[:, layout.num_heads :], heads[:, num_rotated:]), dim=1)
    return rotated[:, : layout.num_heads], keys_values


def gate(gate_up: torch.Tensor) -> torch.Tensor:
    """SwiGLU without its products (Shazeer, arXiv:2002.05202).

    Args:
        gate_up: Gates, then what they gate, [T, 2 * size].

    Returns:
        [T, size].
    """
    gates, gated = gate_up.chunk(2, dim=-1)
    return silu(gates) * gated


def add_and_norm(hidden: torch.Tensor, product: torch.Tensor, norm: Norm) -> tuple[torch.Tensor, torch.Tensor]:
    """The residual with a product added to it, and its norm; all [T, hidden size]."""
    hidden = hidden + product
    return hidden, norm(hidden)


@dataclass(frozen=True, slots=True)
class LayerFunctions:
    """The three functions, plain or compiled."""

    rotate: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    gate: Callable[[torch.Tensor], torch.Tensor]
    add_and_norm: Callable[[torch.Tensor, torch.Tensor, Norm], tuple[torch.Tensor, torch.Tensor]]


PLAIN = LayerFunctions(rotate, gate, add_and_norm)


class LayerCalls(NamedTuple):
    """Arguments for each of the three."""

    rotate: tuple[Any, ...]
    gate: tuple[Any, ...]
    add_and_norm: tuple[Any, ...]


def _rotated(heads: torch.Tensor, cos: torch.Tensor, signed_sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (Su et al., arXiv:2104.09864) of [T, heads, head size], halves as pairs.

    Where cos and sin are shorter than a head, what lies beyond them is left as it is.
    """
    size = cos.shape[-1]
    if size < heads.shape[-1]:
        return torch.cat((_rotated(heads[..., :size], cos, signed_sin), heads[..., size:]), dim=-1)
    half = heads.shape[-1] // 2
    swapped = torch.cat((heads[..., half:], heads[..., :half]), dim=-1)
    return torch.addcmul(heads * cos, swapped, signed_sin)
