"""Attention over a paged cache gives what the classes' own attention gives over a plain one."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

from service.engine.attention.attention import paged_attention
from service.engine.attention.batch import DecodeGroup, PackedBatch
from service.engine.attention.paged_decode import PagedDecode, paged_decode_reference
from service.engine.attention.prefill import PrefillChunk
from service.engine.errors import UnsupportedModelError
from service.engine_protocol.engine_config import BLOCK_SIZE

NUM_KV_HEADS, HEAD_SIZE, NUM_TOKENS = 2, 8, 45
BLOCK_TABLE = torch.tensor([5, 1, 3])
SLOTS = (BLOCK_TABLE[:, None] * BLOCK_SIZE + torch.arange(BLOCK_SIZE)).flatten()
MODULE: Any = SimpleNamespace(layer_idx=0, training=False)


def states(num_heads: int, seed: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(1, num_heads, NUM_TOKENS, HEAD_SIZE, generator=generator, dtype=torch.float64).to(dtype)


def step(cache: torch.Tensor, start: int, end: int, is_paged: bool = False) -> PackedBatch:
    """Computes tokens `start` to `end` of one sequence: decodes one, or prefills many."""
    groups, chunks = [], []
    if is_paged and end - start == 1:
        paged = PagedDecode(paged_decode_reference, BLOCK_TABLE[None].int(), torch.tensor([end], dtype=torch.int32))
        return PackedBatch([cache], SLOTS[start:end], [], [], paged)
    if end - start == 1:
        lengths = torch.tensor([end])
        groups = [DecodeGroup(0, 1, BLOCK_TABLE[None], lengths, end, gathered={}, gathered_slots=lengths - 1)]
    else:
        chunks = [PrefillChunk(0, end - start, start, BLOCK_TABLE)]
    return PackedBatch([cache], SLOTS[start:end], groups, chunks)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: PackedBatch, **keywords: Any) -> torch.Tensor:
    return paged_attention(MODULE, q, k, v, None, batch=batch, **keywords)[0]


def expected(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int | None, softcap: float | None) -> Any:
    MODULE.num_key_value_groups = q.shape[1] // NUM_KV_HEADS
    place = torch.arange(NUM_TOKENS)
    hidden = place[None] > place[:, None]
    if window is not None:
        hidden |= place[None] <= place[:, None] - window
    mask = torch.zeros(hidden.shape, dtype=q.dtype).masked_fill(hidden, -torch.inf)
    return eager_attention_forward(MODULE, q, k, v, mask, scaling=0.3, softcap=softcap)[0]


@pytest.mark.parametrize("num_heads", [2, 8])
@pytest.mark.parametrize("window", [None, 5, 24])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("is_paged", [False, True])
def test_a_sequence_in_pieces_attends_as_the_class_does_at_once(
    num_heads: int, window: int | None, softcap: float | None, dtype: torch.dtype, tolerance: float, is_paged: bool
) -> None:
    q, k, v = (states(heads, seed, dtype) for seed, heads in enumerate((num_heads, NUM_KV_HEADS, NUM_KV_HEADS)))
    cache = torch.full((6, BLOCK_SIZE, 2 * NUM_KV_HEADS, HEAD_SIZE), torch.nan if is_paged else 0.0, dtype=dtype)
    pieces = []
    for start, end in [(0, 19), (19, 40), (40, 41), (41, 42), (42, 45)]:
        here = slice(None), slice(None), slice(start, end)
        batch = step(cache, start, end, is_paged)
        pieces.append(attend(q[here], k[here], v[here], batch, scaling=0.3, sliding_window=window, softcap=softcap))
    whole = expected(q, k, v, window, softcap)
    assert (torch.cat(pieces, dim=1) - whole).float().norm() < tolerance * whole.float().norm()


def test_a_cap_keeps_scores_below_it() -> None:
    """With scores of 100 and 0 the second token would not be seen at all, with 1 and 0 it is."""
    q, k = torch.full((1, 1, 2, 1), 10.0), torch.tensor([10.0, 0.0]).view(1, 1, 2, 1)
    v = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1)
    cache = torch.zeros(6, BLOCK_SIZE, 2, 1)
    attended = attend(q, k, v, step(cache, 0, 2), scaling=1.0, softcap=1.0)
    assert attended[0, 1].item() == pytest.approx(1 / (1 + torch.e))


def test_what_attention_does_not_do_is_refused() -> None:
    q, batch = torch.zeros(1, 2, 2, HEAD_SIZE), step(torch.zeros(1), 0, 2)
    with pytest.raises(UnsupportedModelError, match="attention with s_aux is not supported"):
        attend(q, q, q, batch, scaling=1.0, s_aux=torch.zeros(2))
