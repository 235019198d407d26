"""Drafts take what a step leaves, and no more than can be sampled."""

from collections.abc import Callable
from typing import Any

import pytest

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.drafter import Drafter
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence, SequenceStatus
from service.engine_protocol.engine_config import num_blocks_for
from service.engine_protocol.sampling_params import SamplingParams

ROUND = [1, 2, 3, 4] * 10
"""A text that goes round, whose next tokens are 1, 2, 3 and 4."""


def decoding(pool: BlockPool, token_ids: list[int], **changes: Any) -> ScheduledSequence:
    """A sequence of which a step computes the last token."""
    asked = {name: changes.pop(name) for name in ("eos_token_ids",) if name in changes}
    params = SamplingParams(changes.pop("max_tokens", 100), **asked)
    sequence = Sequence("it", list(token_ids), len(token_ids), params, status=SequenceStatus.RUNNING, **changes)
    sequence.num_computed_tokens = len(token_ids) - 1
    sequence.block_table = pool.allocate(num_blocks_for(len(token_ids)))
    return ScheduledSequence(sequence, 1)


def drafted(pool: BlockPool, *items: ScheduledSequence, budget: int = 99, rope_switch: int = 0) -> list[list[int]]:
    Drafter(row_cost=0.01, rope_switch=rope_switch).add_drafts(list(items), pool, budget)
    return [item.draft for item in items]


def test_a_text_that_goes_round_is_drafted_and_gets_the_blocks_for_it() -> None:
    pool = BlockPool(8)
    item = decoding(pool, ROUND)
    (draft,) = drafted(pool, item)
    assert draft == [1, 2, 3, 4] * (len(draft) // 4) + [1, 2, 3, 4][: len(draft) % 4]
    assert item.num_tokens == item.num_sampled == 1 + len(draft) > 5
    assert len(item.sequence.block_table) == num_blocks_for(item.end)


@pytest.mark.parametrize(
    ("most", "changes", "bounds"),
    [
        (4, {"max_tokens": 5}, {}),
        (0, {"max_tokens": 1}, {}),
        (2, {"eos_token_ids": frozenset({3})}, {}),
        (3, {}, {"budget": 3}),
        (0, {}, {"budget": 0}),
        (2, {}, {"rope_switch": 42}),
        (0, {}, {"rope_switch": 40}),
        (0, {"adapter": 0}, {}),
    ],
    ids=str,
)
def test_a_draft_ends_where_nothing_more_could_come_of_it(
    most: int, changes: dict[str, Any], bounds: dict[str, int]
) -> None:
    pool = BlockPool(8)
    item = decoding(pool, ROUND, **changes)
    assert drafted(pool, item, **bounds) == [[1, 2, 3, 4][:most]]
    assert item.num_tokens == 1 + most


def test_a_draft_takes_free_blocks_only() -> None:
    pool = BlockPool(3)
    (draft,) = drafted(pool, decoding(pool, [*ROUND, 1, 2, 3, 4, 1]))
    assert len(draft) == 3 * 16 - 45
    assert pool.num_free == 0


def test_beside_a_sequence_with_an_adapter_nothing_is_drafted() -> None:
    pool = BlockPool(8)
    assert drafted(pool, decoding(pool, ROUND), decoding(pool, ROUND, adapter=1)) == [[], []]


def test_a_prompt_that_is_computed_gets_no_draft() -> None:
    pool = BlockPool(8)
    item = decoding(pool, ROUND)
    item.sequence.num_computed_tokens = 20
    chunks: list[Callable[[], ScheduledSequence]] = [
        lambda: ScheduledSequence(item.sequence, 1),
        lambda: ScheduledSequence(item.sequence, 20),
    ]
    assert [drafted(pool, chunk()) for chunk in chunks] == [[[]], [[]]]
