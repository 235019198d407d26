"""The forward of a model's own class, for models that `FusedDecoder` does not cover."""

from collections.abc import Callable

import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.attention.batch import PackedBatch
from service.engine.device import is_cpu
from service.engine.linears.plain import is_plain_linear

Forward = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, PackedBatch], torch.Tensor]
"""Token ids [1, T], positions [1, T], places of logits [N] and the batch, to logits [N, vocabulary]."""


def class_forward(model: PreTrainedModel) -> Forward:
    """The forward of the model's own class."""
    if is_cpu(model.device):
        _lay_out_for_cpu(model)

    def forward(ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch) -> torch.Tensor:
        output = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=last, batch=batch)
        logits: torch.Tensor = output.logits[0]
        return logits

    return forward


def _lay_out_for_cpu(model: PreTrainedModel) -> None:
    """Stores weight matrices column-major, which the CPU's matrix product reads faster at few rows (measured).

    One that several modules share, as tied embeddings do, stays shared.
    """
    holders: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        if isinstance(module.weight if hasattr(module, "weight") else None, nn.Parameter):
            holders.setdefault(id(module.weight), []).append(module)
    for modules in holders.values():
        if any(map(is_plain_linear, modules)):
            by_columns = modules[0].weight.detach().t().contiguous().t()  # type: ignore[operator]  # a Parameter
            weight = nn.Parameter(by_columns, requires_grad=False)
            for module in modules:
                module.weight = weight
