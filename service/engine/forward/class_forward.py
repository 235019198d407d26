"""The forward of a model's own class, for models that `FusedDecoder` does not cover."""

from collections.abc import Callable

import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.attention.batch import PackedBatch
from service.engine.device import is_cpu
from service.engine.linears.native_products import NativeProducts
from service.engine.linears.plain import is_plain_linear, pack_in_place
from service.engine.linears.tied_embedding import is_tied, read_from
from service.engine.linears.ways import chosen_products

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
    """Packs weight matrices, or stores them column-major where PyTorch's `linear` multiplies: it reads these faster.

    One that several modules share stays shared. It is packed only if a plain embedding has it beside the head.
    """
    holders: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        if isinstance(module.weight if hasattr(module, "weight") else None, nn.Parameter):
            holders.setdefault(id(module.weight), []).append(module)
    for modules in holders.values():
        if any(map(is_plain_linear, modules)) and not _pack(modules):
            by_columns = modules[0].weight.detach().t().contiguous().t()  # type: ignore[operator]  # a Parameter
            weight = nn.Parameter(by_columns, requires_grad=False)
            for module in modules:
                module.weight = weight


def _pack(modules: list[nn.Module]) -> bool:
    """Packs the matrix of some modules if all of them can do with that, and tells if so."""
    linear, *others = sorted(modules, key=is_plain_linear, reverse=True)
    if not isinstance(chosen_products([linear.weight]), NativeProducts):  # type: ignore[list-item]  # a Parameter
        return False
    if others and (len(others) > 1 or not is_tied(others[0], linear)):
        return False
    product = pack_in_place(linear)
    if others and product.matrix is not None:
        read_from(others[0], product.matrix)
    return True
