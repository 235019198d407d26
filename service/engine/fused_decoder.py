"""The forward of llama-like models in fewer, larger steps than their classes take.

Query, key and value come from one matrix product, gate and up from another, and a residual is added by the product
before it. The decoder takes the layers' weights over, so that none is held twice. Quantized layers of one input become
one where `joined` can, and are called one after another where it can't. A model that is not covered runs through its
class (`ModelRunner`), and `SelfCheck` compares either with the class at load.

Rounding differs from the classes' in two places. They round a norm to half precision before they multiply by its weight
and once more after, `rms_norm` only after; and in float64 they norm in float32, `rms_norm` in float64. A residual is
added to a product's sum before that is rounded. Each is the more exact way.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear, rms_norm, silu
from transformers import PreTrainedModel

from service.engine.attention import PackedBatch, attend
from service.engine.joined_linear import QUANTIZED, joined

_MODEL_TYPES = frozenset({"llama", "mistral", "phi3", "qwen2", "qwen3"})


@dataclass(frozen=True, slots=True)
class _Norm:
    """Root mean square norm over the last dimension (Zhang and Sennrich, arXiv:1910.07467)."""

    weight: torch.Tensor
    epsilon: float

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        return rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


class _Projection:
    """What linear layers of the same input do, as one product.

    In float32 on a CPU the matrix is packed for oneDNN, by an operation that PyTorch's own compiler uses: 16 rows take
    half of the time that MKL takes for them (measured on an AMD EPYC with AVX-512). A head that shares its matrix with
    the embedding then has it once more.

    Args:
        parts: The layers, whose weights are taken from them.
    """

    def __init__(self, *parts: nn.Linear) -> None:
        weight = torch.cat([part.weight.detach() for part in parts]) if len(parts) > 1 else parts[0].weight.detach()
        biases = [part.bias.detach() for part in parts if part.bias is not None]
        self._bias = torch.cat(biases) if biases else None
        self._is_packed = (
            weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        )
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self._is_packed else weight
        for part in parts:
            part.weight = nn.Parameter(weight.new_empty(0), requires_grad=False)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        if self._is_packed:
            output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
            return output
        return linear(rows, self._weight, self._bias)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        if self._is_packed:
            output: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, residual, self._weight, self._bias, "add")
            return output
        if self._bias is None:
            return torch.addmm(residual, rows, self._weight.t())
        return residual + linear(rows, self._weight, self._bias)


class _Separate:
    """What linear layers of the same input do, side by side, for layers that can't be one product.

    Args:
        parts: The layers.
    """

    def __init__(self, *parts: nn.Module) -> None:
        self._parts = parts

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """[rows, inputs] to [rows, outputs]."""
        return torch.cat([part(rows) for part in self._parts], dim=-1) if len(self._parts) > 1 else self._parts[0](rows)

    def added_to(self, residual: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The same, added to [rows, outputs]."""
        return residual + self(rows)


_Linears = _Projection | _Separate


@dataclass(frozen=True, slots=True)
class _Layer:
    """The parts of one decoder layer."""

    attention: Any
    input_norm: _Norm
    qkv: _Linears
    query_norm: _Norm | None
    key_norm: _Norm | None
    output: _Linears
    mlp_norm: _Norm
    gate_up: _Linears
    down: _Linears

    @property
    def sliding_window(self) -> int | None:
        """Read at every step: `SelfCheck` shortens it for a while."""
        # These classes read the window from their config; the others keep one for each layer, or have none.
        holder = self.attention.config if self.attention.config.model_type in ("mistral", "phi3") else self.attention
        window: int | None = getattr(holder, "sliding_window", None)
        return window


class FusedDecoder:
    """Runs the decoder of a model that `can_fuse` accepts.

    Args:
        model: The model, whose class can't be run any more: its layers lose their weights to this.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        module: Any = model
        attention = module.model.layers[0].self_attn
        self._embedding, self._rotary = module.model.embed_tokens, module.model.rotary_emb
        self._norm, self._head = _norm(module.model.norm), _linears(module.lm_head)
        self._head_size = attention.head_dim
        self._num_heads, self._num_kv_heads = model.config.num_attention_heads, model.config.num_key_value_heads
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
        half = sin.shape[-1] // 2
        signed_sin = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        rotation = cos[0, :, None], signed_sin[0, :, None]
        for layer in self._layers:
            hidden = self._attention(layer, hidden, rotation, batch)
            hidden = _mlp(layer, hidden)
        return self._head(self._norm(hidden[last]))

    def _attention(
        self, layer: _Layer, hidden: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor], batch: PackedBatch
    ) -> torch.Tensor:
        heads = layer.qkv(layer.input_norm(hidden)).view(hidden.shape[0], -1, self._head_size)
        num_rotated = self._num_heads + self._num_kv_heads
        if layer.query_norm is not None and layer.key_norm is not None:
            heads[:, : self._num_heads] = layer.query_norm(heads[:, : self._num_heads])
            heads[:, self._num_heads : num_rotated] = layer.key_norm(heads[:, self._num_heads : num_rotated])
        rotated = _rotated(heads[:, :num_rotated], *rotation)
        keys_values = torch.cat((rotated[:, self._num_heads :], heads[:, num_rotated:]), dim=1)
        query, attention = rotated[:, : self._num_heads], layer.attention
        attended = attend(attention.layer_idx, query, keys_values, batch, attention.scaling, layer.sliding_window)
        return layer.output.added_to(hidden, attended.flatten(1))


def can_fuse(model: PreTrainedModel) -> bool:
    """Whether the model is of a known type, with matrices that are plain or quantized our way and SiLU between them."""
    if model.config.model_type not in _MODEL_TYPES or model.config.hidden_act != "silu":
        return False
    module: Any = model
    parts = (
        (*_qkv(layer), layer.self_attn.o_proj, *_gate_up(layer), layer.mlp.down_proj) for layer in module.model.layers
    )
    linears = (module.lm_head, *itertools.chain(*parts))
    return all(is_plain_linear(linear) or isinstance(linear, QUANTIZED) for linear in linears)


def is_plain_linear(module: nn.Module) -> bool:
    """Whether a module multiplies by a matrix of plain numbers; a quantized one has a class or a tensor of its own."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter


def _qkv(layer: Any) -> tuple[nn.Linear, ...]:
    attention = layer.self_attn
    is_joined = hasattr(attention, "qkv_proj")
    return (attention.qkv_proj,) if is_joined else (attention.q_proj, attention.k_proj, attention.v_proj)


def _gate_up(layer: Any) -> tuple[nn.Linear, ...]:
    mlp = layer.mlp
    return (mlp.gate_up_proj,) if hasattr(mlp, "gate_up_proj") else (mlp.gate_proj, mlp.up_proj)


def _layer(layer: Any) -> _Layer:
    attention = layer.self_attn
    return _Layer(
        attention=attention,
        input_norm=_norm(layer.input_layernorm),
        qkv=_linears(*_qkv(layer)),
        query_norm=_norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
        output=_linears(attention.o_proj),
        mlp_norm=_norm(layer.post_attention_layernorm),
        gate_up=_linears(*_gate_up(layer)),
        down=_linears(layer.mlp.down_proj),
    )


def _linears(*parts: nn.Linear) -> _Linears:
    return _Projection(*parts) if all(map(is_plain_linear, parts)) else _Separate(*joined(*parts))


def _norm(module: Any) -> _Norm:
    return _Norm(module.weight, module.variance_epsilon)


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


def _mlp(layer: _Layer, hidden: torch.Tensor) -> torch.Tensor:
    gate, up = layer.gate_up(layer.mlp_norm(hidden)).chunk(2, dim=-1)
    return layer.down.added_to(hidden, silu(gate) * up)
