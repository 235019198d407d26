"""Attention over a paged KV cache, registered with transformers as one attention function.

A step packs the new tokens of all its sequences into one row of T tokens. Sequences that decode come first, with one
token each. Those that prefill follow, one after the other. The function writes the row's keys and values to the cache
and lets each token attend to its own sequence's.

transformers calls it in every layer (`AttentionInterface.register`, "For TGI/vLLM backends, or other custom
attention") with the extra keyword arguments of the model's forward, here `batch`.
"""

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from service.engine.attention.batch import DecodeGroup, PackedBatch
from service.engine.attention.prefill import gather, prefill, softcapped
from service.engine.errors import UnsupportedModelError
from service.engine.kernels.attention_params import AttentionParams
from service.engine.progress import note_layer

ATTENTION_NAME = "runstream_paged"
_HARMLESS_KEYWORDS = frozenset(
    {"dropout", "is_causal", "position_ids", "use_cache", "cache_position", "output_router_logits"}
)


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
        scaling, sliding_window, softcap: See `AttentionParams`.

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
    params = AttentionParams(scaling, sliding_window, softcap)
    attended = attend(layer, query[0].transpose(0, 1), keys_values, batch, params)
    return attended.unsqueeze(0), None


def attend(
    layer: int,
    query: torch.Tensor,
    keys_values: torch.Tensor,
    batch: PackedBatch,
    params: AttentionParams,
) -> torch.Tensor:
    """Writes a packed row's keys and values to the cache and lets each token attend to its own sequence's.

    Args:
        layer: Which of the caches.
        query: [T, heads, head size].
        keys_values: Keys' heads, then values', [T, 2 * KV heads, head size].
        batch: The step's sequences.
        params: The layer's.

    Returns:
        [T, heads, head size].
    """
    note_layer()
    cache = batch.kv_cache[layer]
    cache.flatten(0, 1).index_copy_(0, batch.slot_mapping, keys_values)
    outputs: list[torch.Tensor] = []
    if (paged := batch.paged_decode) is not None:
        decoding = query[: paged.end]
        outputs.append(paged.attention(decoding, cache, paged.block_table, paged.lengths, params))
    for group in batch.decode_groups:
        gathered = _gather_group(cache, group, layer, keys_values)
        outputs.append(_decode(query, gathered, group, params))
    for chunk in batch.prefill_chunks:
        outputs.append(prefill(query, keys_values, cache, chunk, params))
    if batch.packed_prefill is not None:
        outputs.append(batch.packed_prefill.attend(query, keys_values, cache, params))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _decode(
    query: torch.Tensor, keys_values: torch.Tensor, group: DecodeGroup, params: AttentionParams
) -> torch.Tensor:
    """One token of each sequence of a group attends to all of its sequence: [end - start, heads, head size].

    Query heads that share a KV head become rows of one product, so that keys and values are read once and not repeated.
    """
    num_sequences, num_heads = group.end - group.start, query.shape[1]
    keys, values = keys_values[:, : group.max_length].transpose(1, 2).chunk(2, dim=1)
    rows = query[group.start : group.end].reshape(num_sequences, keys.shape[1], num_heads // keys.shape[1], -1)
    mask = group.mask(params.sliding_window, query.dtype)
    if params.softcap is None:
        output = scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=params.scaling)
    else:
        output = softcapped(rows, keys, values, mask, params.scaling, params.softcap)
    return output.reshape(num_sequences, num_heads, -1)


def _gather_group(cache: torch.Tensor, group: DecodeGroup, layer: int, rows: torch.Tensor) -> torch.Tensor:
    """Keys and values as `gather` gives them for a group, or gave them in the step before, with this step's tokens."""
    gathered = group.gathered.get(layer)
    if gathered is None:
        gathered = group.gathered[layer] = gather(cache, group.block_table)
    else:
        gathered.flatten(0, 1).index_copy_(0, group.gathered_slots, rows[group.start : group.end])
    return gathered


AttentionInterface.register(ATTENTION_NAME, paged_attention)
