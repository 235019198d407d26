"""The forward of llama-like models in fewer, larger steps than their classes take.

Query, key and value come from one matrix product, gate and up from another, and a residual is added by the product
before it. The decoder takes the layers' weights over, so that none is held twice. Quantized layers of one input become
one where `merged` can, and are called one after another where it can't. A model that is not covered runs through its
class (`ModelRunner`), and `SelfCheck` compares either with the class at load.

Rounding differs from the classes' in two places, and each is the more exact way here. First, the classes round a norm
to half precision before and after they multiply by its weight; `rms_norm` rounds only after. In float64 they norm in
float32, `rms_norm` in float64. Second, a residual is added to a product's sum before that is rounded. Compiled
(`compiled_layers`), a residual is added to the rounded product, as the classes do.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.attention.attention import attend
from service.engine.attention.batch import PackedBatch
from service.engine.families import family_of
from service.engine.forward.layer_functions import PLAIN, HeadLayout, LayerCalls, LayerFunctions, Norm
from service.engine.kernels.attention_params import AttentionParams
from service.engine.linears.merged import QUANTIZED, merged
from service.engine.linears.onednn import products_for
from service.engine.linears.plain import MergedLinear, SeparateLinears, is_plain_linear
from service.engine.linears.tied_embedding import is_tied, read_from
from service.engine.lora.low_rank import Linears, with_adapters, without_adapters
from service.engine.sharding.layers import PARALLEL_LINEARS


@dataclass(frozen=True, slots=True)
class DecoderLayer:
    """The parts of one decoder layer; `window_holder` is who keeps its sliding window, if anybody does."""

    attention: Any
    window_holder: Any
    input_norm: Norm
    qkv: Linears
    query_norm: Norm | None
    key_norm: Norm | None
    output: Linears
    mlp_norm: Norm
    gate_up: Linears
    down: Linears

    @property
    def attention_params(self) -> AttentionParams:
        """Made at every step: `SelfCheck` shortens the window for a while."""
        return AttentionParams(self.attention.scaling, self.sliding_window)

    @property
    def sliding_window(self) -> int | None:
        """The tokens that one sees; None for all before it."""
        window: int | None = getattr(self.window_holder, "sliding_window", None)
        return window


class FusedDecoder:
    """Runs the decoder of a model that `can_fuse` accepts.

    Args:
        model: The model, whose class can't be run any more: its layers lose their weights to this.
        has_native: Whether compiled code of our own may multiply, which a graph of PyTorch's operators leaves out.
    """

    def __init__(self, model: PreTrainedModel, has_native: bool = True) -> None:
        module: Any = model
        self.embedding, self.rotary = module.model.embed_tokens, module.model.rotary_emb
        has_tied_head = is_tied(self.embedding, module.lm_head)
        self.head = _linears(module.lm_head, has_native=has_native)
        if has_tied_head and isinstance(self.head, MergedLinear) and self.head.matrix is not None:
            read_from(self.embedding, self.head.matrix)
        attention = module.model.layers[0].self_attn
        self.layout = HeadLayout(*_head_counts(attention), attention.head_dim)
        self.layers = [_layer(layer, has_native) for layer in module.model.layers]
        first, *others = [layer.input_norm for layer in self.layers]
        self.first_norm, self.next_norms = first, [*others, _norm(module.model.norm)]
        self._functions, self._adds_in_products = PLAIN, True

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
        hidden = self.embedding(token_ids[0])
        rotation = self._rotation(hidden, positions)
        normed = self.first_norm(hidden)
        for layer, next_norm in zip(self.layers, self.next_norms, strict=True):
            query, keys_values = self._functions.rotate(
                layer.qkv(normed), *rotation, self.layout, layer.query_norm, layer.key_norm
            )
            attended = attend(layer.attention.layer_idx, query, keys_values, batch, layer.attention_params)
            hidden, normed = self._add_residual(hidden, layer.output, attended.flatten(1), layer.mlp_norm)
            activated = self._functions.gate(layer.gate_up(normed))
            hidden, normed = self._add_residual(hidden, layer.down, activated, next_norm)
        return self.head(normed[last])

    def use(self, functions: LayerFunctions) -> None:
        """Takes other functions than the plain ones; a residual is then added by `add_and_norm`, not by the product."""
        self._functions, self._adds_in_products = functions, False

    def example_calls(self, num_rows: int) -> LayerCalls:
        """The first layer's calls of its functions, for token ids from 1 to `num_rows`."""
        layer = self.layers[0]
        token_ids = torch.arange(1, num_rows + 1, device=self.embedding.weight.device)
        hidden = self.embedding(token_ids)
        normed = self.first_norm(hidden)
        gate_up = layer.gate_up(normed)
        return LayerCalls(
            rotate=(
                layer.qkv(normed),
                *self._rotation(hidden, token_ids[None]),
                self.layout,
                layer.query_norm,
                layer.key_norm,
            ),
            gate=(gate_up,),
            add_and_norm=(hidden, layer.down(PLAIN.gate(gate_up)), layer.mlp_norm),
        )

    def _rotation(self, hidden: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines as `layer_functions.rotate` takes them."""
        cos, sin = self.rotary(hidden, position_ids=positions)
        half = sin.shape[-1] // 2
        signed_sin = torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        return cos[0, :, None], signed_sin[0, :, None]

    def _add_residual(
        self, hidden: torch.Tensor, linears: Linears, rows: torch.Tensor, norm: Norm
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The residual with a product added to it, and its norm."""
        if not self._adds_in_products:
            return self._functions.add_and_norm(hidden, linears(rows), norm)
        hidden = linears.added_to(hidden, rows)
        return hidden, norm(hidden)


def can_fuse(model: PreTrainedModel) -> bool:
    """Tells if the model is of a known type, its matrices are plain or quantized our way, and SiLU is between them."""
    if not family_of(model.config.model_type).is_fused or model.config.hidden_act != "silu":
        return False
    module: Any = model
    parts = (
        (*_qkv(layer), layer.self_attn.o_proj, *_gate_up(layer), layer.mlp.down_proj) for layer in module.model.layers
    )
    linears = (module.lm_head, *map(without_adapters, itertools.chain(*parts)))
    return all(is_plain_linear(linear) or isinstance(linear, (*QUANTIZED, *PARALLEL_LINEARS)) for linear in linears)


def _qkv(layer: Any) -> tuple[nn.Linear, ...]:
    attention = layer.self_attn
    is_merged = hasattr(attention, "qkv_proj")
    return (attention.qkv_proj,) if is_merged else (attention.q_proj, attention.k_proj, attention.v_proj)


def _head_counts(attention: Any) -> tuple[int, int]:
    """Heads and KV heads; of a layer that is sharded over several devices, those that are here."""
    if hasattr(attention, "qkv_proj"):  # whose outputs every device gets
        return attention.config.num_attention_heads, attention.config.num_key_value_heads
    return attention.q_proj.out_features // attention.head_dim, attention.k_proj.out_features // attention.head_dim


def _gate_up(layer: Any) -> tuple[nn.Linear, ...]:
    mlp = layer.mlp
    return (mlp.gate_up_proj,) if hasattr(mlp, "gate_up_proj") else (mlp.gate_proj, mlp.up_proj)


def _layer(layer: Any, has_native: bool) -> DecoderLayer:
    attention, linears = layer.self_attn, functools.partial(_linears, has_native=has_native)
    return DecoderLayer(
        attention=attention,
        window_holder=attention.config if family_of(attention.config.model_type).has_window_in_config else attention,
        input_norm=_norm(layer.input_layernorm),
        qkv=linears(*_qkv(layer)),
        query_norm=_norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
        output=linears(attention.o_proj),
        mlp_norm=_norm(layer.post_attention_layernorm),
        gate_up=linears(*_gate_up(layer)),
        down=linears(layer.mlp.down_proj),
    )


def _linears(*parts: nn.Linear, has_native: bool) -> Linears:
    sizes = [part.out_features for part in parts] if len(parts) > 1 else [0]
    plain = list(map(without_adapters, parts))
    if all(map(is_plain_linear, plain)):
        made: Linears = MergedLinear(*plain, products=None if has_native else products_for(plain[0].weight))
    else:
        made = SeparateLinears(*merged(*plain))
    return with_adapters(made, parts, sizes)


def _norm(module: Any) -> Norm:
    return Norm(module.weight, module.variance_epsilon)
