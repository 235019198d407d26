"""What any `DecodeAttention` is tried with: on the CPU in Triton's interpreter, and on a GPU with larger cases.

Whatever a sequence does not see is NaN: blocks of nobody, the rest of its last block, what its window has left behind.
"""

import itertools
from dataclasses import dataclass

import torch

from service.engine.attention.paged_decode import DecodeAttention, paged_decode_reference
from service.engine.kernels.attention_params import AttentionParams
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for

TOLERANCES = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Of norm(output - reference) / norm(reference)."""


@dataclass(frozen=True)
class Case:
    """Sequences that decode, with random keys and values in blocks in random order."""

    dtype: torch.dtype
    head_size: int
    num_heads: int
    num_kv_heads: int
    lengths: tuple[int, ...]
    sliding_window: int | None = None
    softcap: float | None = None
    num_columns: int | None = None

    def __str__(self) -> str:
        parts = [str(self.dtype).removeprefix("torch."), f"{self.num_heads}over{self.num_kv_heads}x{self.head_size}"]
        parts += [f"{len(self.lengths)}of{max(self.lengths)}"]
        parts += [f"window{self.sliding_window}"] if self.sliding_window else []
        parts += [f"cap{self.softcap}"] if self.softcap else []
        return "-".join(parts)


def cases(large: bool) -> list[Case]:
    """Every precision with every head size, the rest in turn; the large ones are too many for the interpreter."""
    windows, softcaps, lengths = _LARGE if large else _SMALL
    # Cycles of 3, 4, 5 and so on meet in many ways.
    turns = zip(
        itertools.product(TOLERANCES, (64, 80, 96, 128), range(4 if large else 1)),
        itertools.cycle([(2, 2), (8, 2), (8, 1), (4, 4), (16, 2)]),
        itertools.cycle(windows),
        itertools.cycle(softcaps),
        itertools.cycle(lengths),
        strict=False,
    )
    few_of_many_parts = Case(torch.float32, 64, 4, 2, (1, 70, 0), num_columns=32)
    nothing = Case(torch.bfloat16, 128, 8, 2, (0, 0))
    return [few_of_many_parts, nothing] + [
        Case(dtype, head_size, *heads, its_lengths, window, softcap)
        for (dtype, head_size, _), heads, window, softcap, its_lengths in turns
    ]


def _random_lengths(count: int, most: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(count)
    return tuple(torch.randint(0, most, (count,), generator=generator).tolist())


_AT_EDGES = (15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257)
_SMALL = (
    (None, 40, None, None, 5, None, 16),
    (None, None, 2.0),
    ((1, 37, 0, 145), (128, 129), (300,), (16, 17, 32, 64, 65)),
)
_LARGE = (
    (None, 40, None, 300, None, 4096, 5),
    (None, None, 50.0),
    (_AT_EDGES, _random_lengths(300, 700), (8191,), _random_lengths(128, 2048), (0, 1, 5000), _random_lengths(2, 4097)),
)


def relative_error(case: Case, attention: DecodeAttention, device: str) -> float:
    """norm(output - reference) / norm(reference), with the reference in float32; NaN if NaN has leaked in."""
    query, cache, block_table, lengths = make_inputs(case, device)
    params = AttentionParams(case.head_size**-0.5, case.sliding_window, case.softcap)
    output = attention(query, cache, block_table, lengths, params)
    expected = paged_decode_reference(query.float(), cache.float(), block_table, lengths, params)
    assert output.dtype == query.dtype
    assert not output[lengths == 0].any()
    return float((output.float() - expected).norm() / expected.norm().clamp(min=1e-30))


def make_inputs(case: Case, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, cache, block table and lengths; the query is a part of something wider, as in the engine."""
    generator = torch.Generator(device).manual_seed(len(case.lengths))
    num_columns = case.num_columns or num_blocks_for(max(case.lengths)) + 1
    num_blocks = len(case.lengths) * num_columns + 1
    shape = num_blocks, BLOCK_SIZE, 2 * case.num_kv_heads, case.head_size
    cache = torch.randn(shape, generator=generator, device=device).to(case.dtype)
    order = torch.randperm(num_blocks, generator=generator, device=device)[1:]
    block_table = order.view(-1, num_columns).int()
    lengths = torch.tensor(case.lengths, dtype=torch.int32, device=device)
    _spoil_unseen(cache, block_table, lengths, case.sliding_window)
    wide = len(case.lengths), case.num_heads + 2 * case.num_kv_heads, case.head_size
    query = torch.randn(wide, generator=generator, device=device).to(case.dtype)[:, : case.num_heads]
    return query, cache, block_table, lengths


def _spoil_unseen(cache: torch.Tensor, block_table: torch.Tensor, lengths: torch.Tensor, window: int | None) -> None:
    positions = torch.arange(block_table.shape[1] * BLOCK_SIZE, device=cache.device)
    is_seen = positions < lengths[:, None]
    if window is not None:
        is_seen &= positions >= lengths[:, None] - window
    is_unseen = torch.ones(cache.shape[:2], dtype=torch.bool, device=cache.device)
    is_unseen[block_table.flatten().long()] = ~is_seen.view(-1, BLOCK_SIZE)
    cache[is_unseen] = torch.nan
