"""The forward of llama-like models in fewer, larger steps than their classes take.

Query, key and value come from one matrix product, gate and up from another, and a residual is added by the product
before it. The weights are the model's own: the class's layers keep views of the joined matrices. A model that is not
covered runs through its class (`ModelRunner`), and `SelfCheck` compares either with the class at load.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear, rms_norm, silu
from transformers import PreTrainedModel

from service.engine.attention import PackedBatch, attend

_MODEL_TYPES = frozenset({"llama", "mistral", "qwen2", "qwen3"})


@dataclass(frozen=True, slots=True)
class _Norm:
    """Root mean square norm over the last dimension (Zhang and Sennrich, arXiv:1910.07467)."""

    weight: torch.Tensor
    epsilon: float

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The weights of one decoder layer; matrices as `linear` takes them, [outputs, inputs]."""

    index: int
    scaling: float
    sliding_window: int | None
    input_norm: _Norm
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    query_norm: _Norm | None
    key_norm: _Norm | None
    output: nn.Linear
    mlp_norm: _Norm
    gate_up: torch.Tensor
    gate_up_bias: torch.Tensor | None
    down: nn.Linear


class FusedDecoder:
    """Runs the decoder of a model that `can_fuse` accepts.

    Args:
        model: The model, whose projections become views of the joined matrices.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        module: Any = model
        attention = module.model.layers[0].self_attn
        self._embedding, self._rotary = module.model.embed_tokens, module.model.rotary_emb
        self._norm, self._head = _norm(module.model.norm), module.lm_head
        self._head_size = attention.head_dim
        self._num_heads = attention.q_proj.out_features // attention.head_dim
        self._num_kv_heads = attention.k_proj.out_features // attention.head_dim
        self._layers = [_layer(layer) for layer in module.model.layers]

    def __call__(
        self, token_ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch
    ) -> torch.Tensor:
        """Logits after some of a packed row's tokens.

        Args:
            token_ids: int64 [1, T].
            positions: Each token's place in its sequence, int64 [1, T].
            last: Places in the row whose logits are wanted, int64 [N].
            batch: The step's sequences.

        Returns:
            [N, vocabulary].
        """
        hidden = self._embedding(token_ids[0])
        cos, sin = self._rotary(hidden, position_ids=positions)
        half = self._head_size // 2
        signed_sin = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        rotation = cos[0, :, None], signed_sin[0, :, None]
        for layer in self._layers:
            hidden = self._attention(layer, hidden, rotation, batch)
            hidden = _mlp(layer, hidden)
        logits: torch.Tensor = self._head(self._norm(hidden[last]))
        return logits

    def _attention(
        self, layer: _Layer, hidden: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor], batch: PackedBatch
    ) -> torch.Tensor:
        heads = linear(layer.input_norm(hidden), layer.qkv, layer.qkv_bias).unflatten(-1, (-1, self._head_size))
        num_rotated = self._num_heads + self._num_kv_heads
        if layer.query_norm is not None and layer.key_norm is not None:
            heads[:, : self._num_heads] = layer.query_norm(heads[:, : self._num_heads])
            heads[:, self._num_heads : num_rotated] = layer.key_norm(heads[:, self._num_heads : num_rotated])
        rotated = _rotated(heads[:, :num_rotated], *rotation)
        keys_values = torch.cat((rotated[:, self._num_heads :], heads[:, num_rotated:]), dim=1)
        attended = attend(
            layer.index, rotated[:, : self._num_heads], keys_values, batch, layer.scaling, layer.sliding_window
        )
        return _added(hidden, attended.flatten(1), layer.output)


def can_fuse(model: PreTrainedModel) -> bool:
    """Whether the model is of a known type, with matrices of its own (not quantized) and SiLU between them."""
    if model.config.model_type not in _MODEL_TYPES or model.config.hidden_act != "silu":
        return False
    module: Any = model
    return all(type(part) is nn.Linear for layer in module.model.layers for part in _projections(layer))


def _projections(layer: Any) -> tuple[nn.Module, ...]:
    attention, mlp = layer.self_attn, layer.mlp
    of_attention = (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    return (*of_attention, mlp.gate_proj, mlp.up_proj, mlp.down_proj)


def _layer(layer: Any) -> _Layer:
    attention = layer.self_attn
    # mistral's class reads the window from its config, the others keep one for each layer.
    of_config = attention.config.sliding_window if attention.config.model_type == "mistral" else None
    qkv, qkv_bias = _joined(attention.q_proj, attention.k_proj, attention.v_proj)
    gate_up, gate_up_bias = _joined(layer.mlp.gate_proj, layer.mlp.up_proj)
    return _Layer(
        index=attention.layer_idx,
        scaling=attention.scaling,
        sliding_window=getattr(attention, "sliding_window", of_config),
        input_norm=_norm(layer.input_layernorm),
        qkv=qkv,
        qkv_bias=qkv_bias,
        query_norm=_norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
        output=attention.o_proj,
        mlp_norm=_norm(layer.post_attention_layernorm),
        gate_up=gate_up,
        gate_up_bias=gate_up_bias,
        down=layer.mlp.down_proj,
    )


def _norm(module: Any) -> _Norm:
    return _Norm(module.weight, module.variance_epsilon)


def _joined(*parts: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One matrix and bias for the outputs of all parts, whose own weights become views of it."""
    # Stored by columns, which the CPU's matrix product reads faster at few rows (measured).
    by_columns = parts[0].weight.device.type == "cpu"
    weight = torch.cat([part.weight.detach() for part in parts])
    weight = weight.t().contiguous().t() if by_columns else weight
    for part, view in zip(parts, weight.split([part.out_features for part in parts]), strict=True):
        part.weight = nn.Parameter(view, requires_grad=False)
    biases = [part.bias.detach() for part in parts if part.bias is not None]
    return weight, torch.cat(biases) if biases else None


def _rotated(heads: torch.Tensor, cos: torch.Tensor, signed_sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (Su et al., arXiv:2104.09864) of [T, heads, head size], halves as pairs."""
    swapped = heads.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
    return torch.addcmul(heads * cos, swapped, signed_sin)


def _mlp(layer: _Layer, hidden: torch.Tensor) -> torch.Tensor:
    gate, up = linear(layer.mlp_norm(hidden), layer.gate_up, layer.gate_up_bias).chunk(2, dim=-1)
    return _added(hidden, silu(gate) * up, layer.down)


def _added(residual: torch.Tensor, hidden: torch.Tensor, projection: nn.Linear) -> torch.Tensor:
    """residual + projection(hidden), in one operation where there is no bias."""
    if projection.bias is not None:
        return residual + linear(hidden, projection.weight, projection.bias)
    return torch.addmm(residual, hidden, projection.weight.t())
