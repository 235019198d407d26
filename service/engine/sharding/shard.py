"""Shards a model over several devices of one machine: of its large matrices each rank keeps the N-th part.

A rank has a shard of the heads and of each layer's inner width, and all ranks compute all tokens. Their products are
summed after the attention and after the MLP (Megatron-LM, arXiv:1909.08053). Which matrices are
sharded, and how, is transformers' own plan for the class (`PreTrainedModel.tp_plan`).

The sharding is ours. That of `from_pretrained` asks the machine for the kind of device, and the environment for its
number. It differs between transformers 5.17 and 5.23, and leaves DTensors, which kernels can't read. Here shards are
views of the mapped files, so a rank keeps no more than its own.
"""

import math
import re

import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.errors import UnsupportedModelError
from service.engine.families import FAMILIES, family_of
from service.engine.linears.plain import is_plain_linear
from service.engine.sharding.layers import (
    ColumnParallelLinear,
    Ranks,
    RowParallelLinear,
    VocabParallelEmbedding,
    shard_of,
)

_EMBEDDING = "embedding_rowwise"
_GATHERED = frozenset({"colwise_gather_output", "colwise_rep"})
_ROWWISE = frozenset({"rowwise", "rowwise_split_input", "rowwise_rep"})
_REPLICATED = frozenset({"replicate", "replicated_with_grad_allreduce"})
_STYLES = _GATHERED | _ROWWISE | _REPLICATED | {"colwise", _EMBEDDING}
"""The styles of transformers' plans that are known here; those for mixtures of experts are not."""

_MAX_RANKS = 16
"""The most devices of one machine that a refusal counts up to."""


def shard_model(model: PreTrainedModel, ranks: Ranks) -> None:
    """Leaves a model with a rank's shard of its weights.

    A matrix whose outputs every rank gets, such as the head's, stays whole if it can't be divided.

    Args:
        model: The model, whose weights are on the CPU.
        ranks: Who shares it.

    Raises:
        UnsupportedModelError: It can't be sharded at all, or not over so many ranks.
    """
    try:
        plan = _plan(model)
        _check_divisible(model, plan, ranks.world_size)
    except UnsupportedModelError as error:
        kind = model.config.model_type
        raise UnsupportedModelError(
            f"a model of type {kind} can't be cut for {ranks.world_size} devices: {error}"
        ) from None
    shards = _Shards(ranks)
    for name, style in plan.items():
        module = model.get_submodule(name)
        if style not in _REPLICATED and _width(module, style) % ranks.world_size == 0:
            model.set_submodule(name, shards.of(module, style))


class _Shards:
    """Makes a rank's layers of whole ones. A matrix that two layers share, as tied embeddings do, stays shared."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._parameters: dict[tuple[torch.Tensor, int], nn.Parameter] = {}

    def of(self, module: nn.Module, style: str) -> nn.Module:
        if isinstance(module, nn.Embedding):
            module.weight = self._parameter(module.weight, 0)
            module.num_embeddings, module.padding_idx = module.weight.shape[0], None
            return VocabParallelEmbedding(module, self._ranks)
        assert isinstance(module, nn.Linear)
        if style in _ROWWISE:
            has_all_inputs = style != "rowwise"
            shard = _linear(self._parameter(module.weight, 1), None)
            return RowParallelLinear(shard, module.bias, self._ranks, has_all_inputs)
        bias = None if module.bias is None else self._parameter(module.bias, 0)
        shard = _linear(self._parameter(module.weight, 0), bias)
        return ColumnParallelLinear(shard, self._ranks) if style in _GATHERED else shard

    def _parameter(self, whole: torch.Tensor, dim: int) -> nn.Parameter:
        if (whole, dim) not in self._parameters:
            shard = shard_of(whole.detach(), dim, self._ranks)
            self._parameters[whole, dim] = nn.Parameter(shard, requires_grad=False)
        return self._parameters[whole, dim]


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = weight
    layer.register_parameter("bias", bias)
    return layer


def _plan(model: PreTrainedModel) -> dict[str, str]:
    """The style of each module that is sharded, by the module's name.

    Raises:
        UnsupportedModelError: Nobody has seen it work, or the plan is for something that is not done here.
    """
    if not family_of(model.config.model_type).is_sharded:
        compared = sorted(model_type for model_type, family in FAMILIES.items() if family.is_sharded)
        raise UnsupportedModelError(f"only those of type {', '.join(compared)} were compared with whole ones")
    rules = dict(model.tp_plan)
    modules = dict(model.named_modules())
    plan = {name: rules[_rule(name)] for name in modules if _rule(name) in rules}
    # transformers 5.17 has no rule for embeddings yet.
    plan |= {name: _EMBEDDING for name, module in modules.items() if module is model.get_input_embeddings()}
    for name, style in plan.items():
        if style not in _STYLES:
            raise UnsupportedModelError(f"its plan cuts {name} by {style}, which is not done here")
        if style not in _REPLICATED and not (isinstance(modules[name], nn.Embedding) or is_plain_linear(modules[name])):
            raise UnsupportedModelError(f"{name} is quantized, and only plain weights are cut so far")
    return plan


def _rule(name: str) -> str:
    """The plan's name of a layer's module: its number is a star."""
    return re.sub(r"\.\d+(?=\.|$)", ".*", name)


def _check_divisible(model: PreTrainedModel, plan: dict[str, str], world_size: int) -> None:
    """Refuses what would leave a rank with less than a head, or with less than another.

    Raises:
        UnsupportedModelError: Why, and which numbers of ranks would do.
    """
    counts = {
        f"the {_width(module, style)} {'inputs' if style in _ROWWISE else 'outputs'} of {name}": _width(module, style)
        for name, style in plan.items()
        if not _may_stay_whole(style) and isinstance(module := model.get_submodule(name), nn.Linear)
    }
    if any(name.endswith("k_proj") and style == "colwise" for name, style in plan.items()):
        config = model.config.get_text_config()
        heads = {"attention": config.num_attention_heads, "key-value": config.num_key_value_heads}
        counts = {f"its {count} {kind} heads": count for kind, count in heads.items()} | counts
    for what, count in counts.items():
        if count % world_size:
            common = math.gcd(*counts.values())
            possible = [str(number) for number in range(2, _MAX_RANKS + 1) if common % number == 0]
            raise UnsupportedModelError(
                f"{what} can't be divided by {world_size}; possible: {', '.join(possible) or 'none'}"
            )


def _may_stay_whole(style: str) -> bool:
    """Tells if each rank gets all of a module's outputs anyway."""
    return style in _GATHERED or style in _REPLICATED or style == _EMBEDDING


def _width(module: nn.Module, style: str) -> int:
    """The length of the side that a style shards."""
    if isinstance(module, nn.Embedding):
        return module.num_embeddings
    assert isinstance(module, nn.Linear)
    return module.in_features if style in _ROWWISE else module.out_features
