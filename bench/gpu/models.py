"""Models of real shapes with random weights, made on the device itself: there are no checkpoints to read."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from bench.gpu.cases import ModelShape, Weights
from service.checkpoints.quantization import Quantization
from service.engine.engine import Engine
from service.engine.linears.quantized import Int8Linear
from service.engine.startup.build import build_engine
from service.engine.weights.packed_layers import AwqWeights
from service.engine.weights.packed_loading import unpack_layers
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig

_STD = 0.02
_GROUP_SIZE = 128
_GROUP_SIZE_OF_TINY = 32
_MAX_NUM_BATCHED_TOKENS = 8192


def model_config(shape: ModelShape) -> Any:
    """transformers' config of a shape."""
    return AutoConfig.for_model(
        "llama",
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        head_dim=shape.head_size,
        max_position_embeddings=shape.max_position_embeddings,
        initializer_range=_STD,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    )


def random_model(
    shape: ModelShape, weights: Weights, device: str, accelerations: frozenset[Acceleration] = frozenset()
) -> PreTrainedModel:
    """A model whose weights are the same in each process on the same device."""
    torch.manual_seed(0)
    with torch.device(device):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            model_config(shape), dtype=getattr(torch, weights.dtype)
        )
        if weights in (Weights.INT8, Weights.AWQ):
            _quantize(model, weights)
    unpack_layers(model, accelerations)
    model.train(mode=False)
    return model


def _quantize(model: PreTrainedModel, weights: Weights) -> None:
    """Puts random codes in the places of the layers' matrices, one after the other."""
    layers = model.model.layers
    for name, linear in [(name, one) for name, one in layers.named_modules() if isinstance(one, nn.Linear)]:
        sizes = linear.out_features, linear.in_features
        is_int8 = weights is Weights.INT8
        layers.set_submodule(name, random_int8(*sizes, linear.weight.dtype) if is_int8 else _random_awq(linear))


def random_int8(outputs: int, inputs: int, dtype: torch.dtype) -> Int8Linear:
    """A layer whose weights are as wide as a real model's."""
    layer = Int8Linear(inputs, outputs, None, dtype)
    layer.weight.random_(-127, 128)
    layer.scale.uniform_(0.5, 1.5).mul_(_STD / 127)
    return layer


def _random_awq(linear: nn.Linear) -> nn.Module:
    group_size = _GROUP_SIZE if linear.in_features % _GROUP_SIZE == 0 else _GROUP_SIZE_OF_TINY
    packed = AwqWeights(linear, Quantization("awq", 4, group_size))
    for words in (packed.qweight, packed.qzeros):
        words.random_(-(1 << 31), (1 << 31) - 1)
    packed.scales.uniform_(0.5, 1.5).mul_(_STD / 8)
    return packed


def random_engine(
    shape: ModelShape,
    weights: Weights,
    device: str,
    accelerations: frozenset[Acceleration],
    num_kv_tokens: int,
    max_num_seqs: int,
) -> Engine:
    """An engine on such a model, with room for so many tokens in its KV cache.

    Each number of sequences up to `max_num_seqs` may be one that is recorded at the start, which takes time.
    """
    config = EngineConfig(
        Path("random"),
        device,
        weights.dtype,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=_MAX_NUM_BATCHED_TOKENS,
        accelerations=accelerations,
    )
    num_blocks = -(-num_kv_tokens // BLOCK_SIZE) + max_num_seqs + 1
    return build_engine(random_model(shape, weights, device, accelerations), config, num_blocks)
