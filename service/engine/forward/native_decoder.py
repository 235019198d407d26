"""The forward of llama-like models in one call of compiled code, on the host's own processor.

It computes what `FusedDecoder` computes, in float32 whatever the model's dtype is: only weights and KV cache have that.
Steps with LoRA adapters go through the fused decoder.
"""

from typing import Any

import torch

from service.engine.attention.batch import PackedBatch
from service.engine.forward.fused_decoder import DecoderLayer, FusedDecoder
from service.engine.forward.layer_functions import Norm
from service.engine.forward.rotary_table import RotaryTable
from service.engine.lora.low_rank import Linears, without_adapters
from service.engine.native.decoder import STORED, Decoder, LayerParts, NormWeights, PackedStep, Shape
from service.engine.native.matrix import Matrix
from service.engine.progress import note_layer

_NO_NORM = NormWeights(None, 0.0)


class NativeDecoder:
    """Runs steps by compiled code, and those that it does not know by the fused decoder.

    Args:
        fused: The fused decoder.
        decoder: The compiled one, of the same weights.
        rotary: The table of its rotary embedding.

    Attributes:
        fused, decoder: As given.
    """

    def __init__(self, fused: FusedDecoder, decoder: Decoder, rotary: RotaryTable) -> None:
        self.fused, self.decoder, self._rotary = fused, decoder, rotary
        self._windows: list[int | None] | None = None

    def __call__(
        self, token_ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch
    ) -> torch.Tensor:
        """As the fused decoder, but float32 in any dtype; valid until the next step."""
        rows = batch.paged_rows
        if rows is None:
            return self.fused(token_ids, positions, last, batch)
        self.decoder.use_caches(batch.kv_cache)
        windows = [layer.sliding_window for layer in self.fused.layers]
        if windows != self._windows:
            self.decoder.use_attention([layer.attention.scaling for layer in self.fused.layers], windows)
            self._windows = windows
        rotations, places = self._rotary.rows(positions[0], rows.max_length)
        return self.decoder.logits(
            PackedStep(
                embedded=self.fused.embedding(token_ids[0]).float().contiguous(),
                positions=places,
                rotations=rotations,
                slots=batch.slot_mapping,
                ends=rows.ends,
                lengths=rows.lengths,
                block_table=rows.block_table,
                last=last,
            )
        )


def native_decoder(fused: FusedDecoder, dtype: torch.dtype) -> NativeDecoder | None:
    """A compiled decoder of a fused one's weights; None if not all of them are packed for compiled code.

    Args:
        fused: The fused decoder.
        dtype: The model's, in which the KV cache is.
    """
    head = _matrix(fused.head)
    layers = [parts for layer in fused.layers if (parts := _parts(layer)) is not None]
    if head is None or len(layers) < len(fused.layers) or dtype not in STORED:
        return None
    rotary = RotaryTable(fused.rotary, fused.first_norm.weight.device)
    decoder = Decoder(
        head.library,
        layers,
        _norm(fused.next_norms[-1]),
        head,
        Shape(*fused.layout, rotary.half),
        note_layer,
    )
    return NativeDecoder(fused, decoder, rotary)


def _parts(layer: DecoderLayer) -> LayerParts | None:
    qkv, output, gate_up, down = map(_matrix, (layer.qkv, layer.output, layer.gate_up, layer.down))
    if qkv is None or output is None or gate_up is None or down is None:
        return None
    norms = map(_norm, (layer.input_norm, layer.query_norm, layer.key_norm, layer.mlp_norm))
    return LayerParts(qkv, output, gate_up, down, *norms)


def _matrix(linears: Linears) -> Matrix | None:
    base: Any = without_adapters(linears)
    matrix: Matrix | None = getattr(base, "matrix", None)
    return matrix


def _norm(norm: Norm | None) -> NormWeights:
    return _NO_NORM if norm is None else NormWeights(norm.weight.detach().float().contiguous(), norm.epsilon)
