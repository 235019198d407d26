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
        gathered: What `_gather` gave for each layer. The next step's group of the same sequences takes it over and only
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
        return _additive(hidden, dtype)[:, None, None]


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """A sequence that prefills.

    Attributes:
        start, end: Its tokens' places in the packed row.
        num_computed_tokens: How many of its tokens are in the KV cache already.
        block_table: Block ids, int64 [blocks].
    """

    start: int
    end: int
    num_computed_tokens: int
    block_table: torch.Tensor


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
        softcap: What the size of a score is kept below, see `_softcapped`; None for no bound.

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
        outputs.append(_prefill(query, keys_values, cache, chunk, scaling, sliding_window, softcap))
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
        output = _softcapped(rows, keys, values, mask, scaling, softcap)
    return output.reshape(num_sequences, num_heads, -1)


def _prefill(
    query: torch.Tensor,
    keys_values: torch.Tensor,
    cache: torch.Tensor,
    chunk: PrefillChunk,
    scaling: float,
    sliding_window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """A chunk attends to its sequence so far and, causally, to itself: [end - start, heads, head size]."""
    num_tokens = chunk.end - chunk.start
    if chunk.num_computed_tokens == 0:
        context = keys_values[None, chunk.start : chunk.end]
    else:
        context = _gather(cache, chunk.block_table[None])[:, : chunk.num_computed_tokens + num_tokens]
    queries = query[None, chunk.start : chunk.end].transpose(1, 2)
    keys, values = context.transpose(1, 2).chunk(2, dim=1)
    is_windowed = sliding_window is not None and keys.shape[2] > sliding_window
    is_plain = chunk.num_computed_tokens == 0 and not is_windowed and softcap is None
    mask = None if is_plain else _prefill_mask(num_tokens, keys.shape[2], sliding_window, query)
    if softcap is not None:
        rows = queries.reshape(1, keys.shape[1], -1, num_tokens, queries.shape[-1])
        output = _softcapped(rows, keys[:, :, None], values[:, :, None], mask, scaling, softcap).flatten(1, 2)
        return output[0].transpose(0, 1)
    output = scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=is_plain, scale=scaling, enable_gqa=True
    )
    return output[0].transpose(0, 1)


def _softcapped(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float,
) -> torch.Tensor:
    """Attention with scores softcap * tanh(score / softcap) (Gemma 2, arXiv:2408.00118), which SDPA does not offer.

    Args:
        queries: [..., queries, head size].
        keys, values: [..., tokens, head size]; leading dimensions are broadcast.
        mask: What is added to scores, [..., queries, tokens].

    Returns:
        [..., queries, head size].
    """
    scores = (queries @ keys.transpose(-1, -2)).to(torch.promote_types(queries.dtype, torch.float32))
    scores = torch.tanh(scores * (scaling / softcap)) * softcap
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, dim=-1).to(queries.dtype) @ values


def _prefill_mask(num_tokens: int, num_context: int, sliding_window: int | None, query: torch.Tensor) -> torch.Tensor:
    """What each of the last `num_tokens` of `num_context` tokens must not see, additive [num_tokens, num_context]."""
    context = torch.arange(num_context, device=query.device)
    own = context[num_context - num_tokens :, None]
    hidden = context > own
    if sliding_window is not None:
        hidden |= context <= own - sliding_window
    return _additive(hidden, query.dtype)


def _additive(hidden: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask to be added to scores: minus infinity where `hidden` is true, otherwise 0."""
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)


def _gather_group(cache: torch.Tensor, group: DecodeGroup, layer: int, rows: torch.Tensor) -> torch.Tensor:
    """What `_gather` gives for a group, or what it gave in the step before with this step's tokens put in."""
    gathered = group.gathered.get(layer)
    if gathered is None:
        gathered = group.gathered[layer] = _gather(cache, group.block_table)
    else:
        gathered.flatten(0, 1).index_copy_(0, group.gathered_slots, rows[group.start : group.end])
    return gathered


def _gather(cache: torch.Tensor, block_table: torch.Tensor) -> torch.Tensor:
    """Keys' heads, then values', of each sequence: [sequences, blocks * BLOCK_SIZE, 2 * KV heads, head size]."""
    num_sequences, num_blocks = block_table.shape
    gathered = cache.index_select(0, block_table.flatten())
    return gathered.view(num_sequences, num_blocks * cache.shape[1], *cache.shape[2:])


AttentionInterface.register(ATTENTION_NAME, paged_attention)
