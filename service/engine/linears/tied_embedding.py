"""An embedding that shares its matrix with the head, when the head's is packed: so that it is in memory once."""

from typing import Any

import torch
from torch import nn

from service.engine.native.matrix import Matrix


def is_tied(embedding: nn.Module, head: nn.Module) -> bool:
    """Tells if an embedding is a plain one, whose matrix is the head's."""
    return type(embedding) is nn.Embedding and embedding.weight is getattr(head, "weight", None)


def read_from(embedding: Any, head: Matrix) -> None:
    """Makes an embedding give rows of the head's packed matrix, and lets its own go: `weight` is empty then.

    Args:
        embedding: One that `is_tied` to the layer that was packed. Hooks on it stay.
        head: That.
    """
    dtype = embedding.weight.dtype
    embedding.weight = nn.Parameter(embedding.weight.new_empty(0), requires_grad=False)

    def forward(token_ids: torch.Tensor) -> torch.Tensor:
        return head.take(token_ids.flatten()).to(dtype).view(*token_ids.shape, head.inputs)

    embedding.forward = forward
