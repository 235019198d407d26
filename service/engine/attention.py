"""Attention over a paged KV cache, registered with transformers as one attention function.

A step packs the new tokens of all its sequences into one row of T tokens: first those that decode, one token each,
then those that prefill, one after the other. The function writes the row's keys and values to the cache and lets each
token attend to its own sequence's.

transformers calls it in every layer (`AttentionInterface.register`, "For TGI/vLLM backends, or other custom
attention") with the extra keyword arguments of the model's forward, here `batch`.
"""

from dataclasses import dataclass, field

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from service.engine.errors import UnsupportedModelError
from service.engine.paged_decode import PagedDecode
from service.engine.prefill_attention import PrefillChunk, additive, gather, prefill, softcapped

ATTENTION_NAME = "runstream_paged"
_HARMLESS_KEYWORDS = frozenset(
    {"dropout", "is_causal", "position_ids", "use_cache", "cache_position", "output_router_logits"}
)


@dataclass(frozen=True, slots=True)
class DecodeGroup:
    """Sequences that decode and have about equally many tokens, so that one gather serves them all.

    Attributes:
        start, end: Their tokens' places in the packed row.
        block_table: Block ids, int64 [end - start, blocks of the longest]; rows are padded with a block of their own.
            What stands behind a sequence's tokens is masked, but must be finite: 0 times NaN is NaN.
        lengths: Tokens of each sequence with the new one, int64 [end - start].
        max_length: The longest of them.
        gathered: What `gather` gave for each layer. The next step's group of the same sequences takes it over and only
            adds its own tokens, instead of reading all blocks again. It takes as much memory as the blocks.
        gathered_slots: Where in it each sequence's new token goes, sequence * tokens + token, int64 [end - start].
    """

    start: int
    end: int
    block_table: torch.Tensor
    lengths: torch.Tensor
    max_length: int
    gathered: dict[int, torch.Tensor]
    gathered_slots: torch.Tensor
    _masks: dict[int | None, torch.Tensor | None] = field(default_factory=dict)

    def mask(self, sliding_window: int | None, dtype: torch.dtype) -> torch.Tensor | None:
        """What each sequence must not see, additive [end - start, 1, 1, max_length]; None if that is nothing.

        Made once for each kind of layer, not for each layer.
        """
        window = sliding_window if sliding_window is not None and self.max_length > sliding_window else None
        if window not in self._masks:
            self._masks[window] = self._make_mask(window, dtype)
        return self._masks[window]

    def _make_mask(self, window: int | None, dtype: torch.dtype) -> torch.Tensor | None:
        if self.end - self.start == 1 and window is None:
            return None
        positions = torch.arange(self.max_length, device=self.lengths.device)
        lengths = self.lengths[:, None]
        hidden = positions >= lengths
        if window is not None:
            hidden |= positions < lengths - window
        return additive(hidden, dtype)[:, None, None]


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """What attention needs to know of a step.

    Attributes:
        kv_cache: One tensor for each layer, [blocks, BLOCK_SIZE, 2 * KV heads, head size]: keys' heads, then values'.
        slots: Where each token's keys and values go, block * BLOCK_SIZE + offset, int64 [T].
        decode_groups: The sequences that decode; none where `paged_decode` has them.
        prefill_chunks: The sequences that prefill.
        paged_decode: The sequences that decode, with `--accelerate attention`; None without.
    """

    kv_cache: list[torch.Tensor]
    slots: torch.Tensor
    decode_groups: list[DecodeGroup]
    prefill_chunks: list[PrefillChunk]
    paged_decode: PagedDecode | None = None


def paged_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    batch: PackedBatch,
    scaling: float,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **keywords: object,
) -> tuple[torch.Tensor, None]:
    """Attends within each sequence of a packed row.

    Args:
        module: The attention layer; its `layer_idx` chooses the cache.
        query: [1, heads, T, head size].
        key, value: [1, KV heads, T, head size].
        attention_mask: None; transformers makes no mask for a registered function.
        batch: The step's sequences.
        scaling: What scores are multiplied by.
        sliding_window: How many tokens, itself the last, a token sees; None for all.
        softcap: What the size of a score is kept below, see `softcapped`; None for no bound.

    Returns:
        [1, T, heads, head size], and None for the attention weights.

    Raises:
        UnsupportedModelError: The model asks for something that this function does not do, such as attention sinks.
    """
    unknown = sorted(name for name, given in keywords.items() if name not in _HARMLESS_KEYWORDS and given is not None)
    if unknown or attention_mask is not None:
        raise UnsupportedModelError(f"attention with {', '.join(unknown) or 'a mask'} is not supported")
    layer = int(module.layer_idx)  # type: ignore[arg-type]  # set by every attention class of transformers
    keys_values = torch.cat((key[0], value[0])).transpose(0, 1)
    attended = attend(layer, query[0].transpose(0, 1), keys_values, batch, scaling, sliding_window, softcap)
    return attended.unsqueeze(0), None


def attend(
    layer: int,
    query: torch.Tensor,
    keys_values: torch.Tensor,
    batch: PackedBatch,
    scaling: float,
    sliding_window: int | None,
    softcap: float | None = None,
) -> torch.Tensor:
    """Writes a packed row's keys and values to the cache and lets each token attend to its own sequence's.

    Args:
        layer: Which of the caches.
        query: [T, heads, head size].
        keys_values: Keys' heads, then values', [T, 2 * KV heads, head size].
        batch: The step's sequences.
        scaling: What scores are multiplied by.
        sliding_window: How many tokens, itself the last, a token sees; None for all.
        softcap: What the size of a score is kept below; None for no bound.

    Returns:
        [T, heads, head size].
    """
    cache = batch.kv_cache[layer]
    cache.flatten(0, 1).index_copy_(0, batch.slots, keys_values)
    outputs: list[torch.Tensor] = []
    if (paged := batch.paged_decode) is not None:
        decoding = query[: paged.end]
        table, lengths = paged.block_table, paged.lengths
        outputs.append(paged.attention(decoding, cache, table, lengths, scaling, sliding_window, softcap))
    for group in batch.decode_groups:
        gathered = _gather_group(cache, group, layer, keys_values)
        outputs.append(_decode(query, gathered, group, scaling, sliding_window, softcap))
    for chunk in batch.prefill_chunks:
        outputs.append(prefill(query, keys_values, cache, chunk, scaling, sliding_window, softcap))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _decode(
    query: torch.Tensor,
    keys_values: torch.Tensor,
    group: DecodeGroup,
    scaling: float,
    sliding_window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """One token of each sequence of a group attends to all of its sequence: [end - start, heads, head size].

    Query heads that share a KV head become rows of one product, so that keys and values are read once and not repeated.
    """
    num_sequences, num_heads = group.end - group.start, query.shape[1]
    keys, values = keys_values[:, : group.max_length].transpose(1, 2).chunk(2, dim=1)
    rows = query[group.start : group.end].reshape(num_sequences, keys.shape[1], num_heads // keys.shape[1], -1)
    mask = group.mask(sliding_window, query.dtype)
    if softcap is None:
        output = scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=scaling)
    else:
        output = softcapped(rows, keys, values, mask, scaling, softcap)
    return output.reshape(num_sequences, num_heads, -1)


def _gather_group(cache: torch.Tensor, group: DecodeGroup, layer: int, rows: torch.Tensor) -> torch.Tensor:
    """What `gather` gives for a group, or what it gave in the step before with this step's tokens put in."""
    gathered = group.gathered.get(layer)
    if gathered is None:
        gathered = group.gathered[layer] = gather(cache, group.block_table)
    else:
        gathered.flatten(0, 1).index_copy_(0, group.gathered_slots, rows[group.start : group.end])
    return gathered


AttentionInterface.register(ATTENTION_NAME, paged_attention)
