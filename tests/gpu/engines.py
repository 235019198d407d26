"""Small random models whose heads are as large as real ones', and engines on them."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.kernel_trials import use_kernels
from service.engine.linears.quantized import GroupedLinear, Int8Linear
from service.engine.linears.tinygemm import make_grouped_linear
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.int8 import layers_to_quantize
from service.engine.weights.packed_layers import MakeLinear
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from tests.support.checkpoints import tiny_model

FAMILIES = ("llama", "mistral")
"""With query heads that share keys, and with a sliding window too."""

_SIZES: dict[str, Any] = {"hidden_size": 256, "head_dim": 64, "max_position_embeddings": 512}


def small_model(family: str, device: str, dtype: torch.dtype = torch.float32, **changes: Any) -> PreTrainedModel:
    """The same weights in each process; `changes` are to its config."""
    model: Any = tiny_model(family, **_SIZES | changes)
    model.train(mode=False)
    moved: PreTrainedModel = model.to(device, dtype)
    return moved


def pack_layers(model: Any, bits: int, accelerations: frozenset[Acceleration]) -> PreTrainedModel:
    """Exchanges the matrices of a model's layers for packed ones, with kernels if these are asked for.

    Returns:
        A model of the packed numbers in float32, in transformers' own layers.
    """
    reference = copy.deepcopy(model).float()
    make = GroupedLinear if Acceleration.LINEARS in accelerations else make_grouped_linear
    for name in layers_to_quantize(model):
        linear = model.get_submodule(name)
        packed, weight = _int8(linear) if bits == 8 else _int4(linear, make)
        model.set_submodule(name, packed)
        reference.get_submodule(name).weight.data = weight
    if Acceleration.LINEARS in accelerations:
        use_kernels(model, timer=lambda call: 0.0)  # whether they pay or not
        assert all(it.kernel for it in model.modules() if isinstance(it, Int8Linear | GroupedLinear))
    whole: PreTrainedModel = reference
    return whole


def _int8(linear: nn.Linear) -> tuple[nn.Module, torch.Tensor]:
    layer = Int8Linear(linear.in_features, linear.out_features, None, linear.weight.dtype).to(linear.weight.device)
    weight = linear.weight.detach()
    layer.scale.copy_(weight.abs().amax(dim=1, keepdim=True) / 127)
    layer.weight.copy_((weight / layer.scale).round().clamp(-127, 127))
    return layer, layer.dequantized(torch.float32)


def _int4(linear: nn.Linear, make: MakeLinear) -> tuple[nn.Module, torch.Tensor]:
    """In groups of 32, whose zeros differ."""
    groups = linear.weight.detach().float().unflatten(1, (-1, 32))
    least = groups.amin(dim=2, keepdim=True)
    scales = (groups.amax(dim=2, keepdim=True) - least) / 15
    zeros = (-least / scales).round().clamp(0, 15)
    codes = (groups / scales + zeros).round().clamp(0, 15).flatten(1).byte()
    weights, dtype = GroupedWeights(codes, scales[..., 0], zeros[..., 0].byte(), 4), linear.weight.dtype
    return make(weights, dtype), GroupedLinear(weights, dtype).dequantized(torch.float32)


def make_engine(
    model: PreTrainedModel,
    accelerations: frozenset[Acceleration],
    num_blocks: int = 512,
    max_num_seqs: int = 64,
    backend: Backend | None = None,
) -> Engine:
    """An engine that leaves `model` as it is."""
    config = EngineConfig(Path("unused"), str(model.device), max_num_seqs=max_num_seqs, accelerations=accelerations)
    return build_engine(copy.deepcopy(model), config, num_blocks, backend or Backend())
