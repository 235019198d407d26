"""Drafts are as long as their tokens are worth, and slow nobody down who has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.speculation.draft_lengths import MAX_DRAFT_TOKENS, draft_lengths

ROOM = 100


def lengths_of(*rates: float, row_cost: float = 0.2, num_rows: int = 0) -> list[int]:
    return draft_lengths(rates, num_rows or len(rates), row_cost, [ROOM] * len(rates))


def test_a_draft_is_longer_the_more_of_them_comes() -> None:
    alone = [lengths_of(rate)[0] for rate in (0.0, 0.1, 0.5, 0.8, 0.99)]
    assert alone == sorted(alone)
    assert alone[:2] == [0, 0]
    assert alone[-1] == MAX_DRAFT_TOKENS


def test_a_draft_is_shorter_the_more_a_row_costs() -> None:
    alone = [lengths_of(0.8, row_cost=cost)[0] for cost in (0.02, 0.1, 0.3, 1.0)]
    assert alone == sorted(alone, reverse=True)
    assert alone[-1] == 0


@pytest.mark.parametrize("num_others", [1, 3])
def test_a_sequence_without_a_draft_is_not_slowed_down_for_another(num_others: int) -> None:
    assert lengths_of(0.99, *[0.0] * num_others) == [0] * (1 + num_others)
    assert lengths_of(0.99, *[0.0] * num_others, row_cost=0.03)[0] > 0


def test_sequences_that_all_have_good_drafts_are_drafted_together() -> None:
    assert min(lengths_of(0.9, 0.9, 0.9)) > 0


def test_beside_a_long_prompt_a_few_rows_are_nothing() -> None:
    assert lengths_of(0.95, 0.0, num_rows=512)[0] > 5


def test_a_large_batch_gets_no_drafts() -> None:
    assert sum(lengths_of(*[0.6] * 64)) == 0


@given(
    rates=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    more_rows=st.integers(0, 300),
    row_cost=st.floats(0.01, 1.0),
    room=st.integers(0, 20),
)
def test_no_step_is_expected_to_give_less_and_none_but_by_a_tenth_to_any(
    rates: list[float], more_rows: int, row_cost: float, room: int
) -> None:
    num_rows = len(rates) + more_rows
    lengths = draft_lengths(rates, num_rows, row_cost, [room] * len(rates))
    gains = [sum(rate**place for place in range(length + 1)) for rate, length in zip(rates, lengths, strict=True)]
    slowdown = 1 + row_cost * sum(lengths) / (1 + row_cost * (num_rows - 1))
    assert sum(gains) >= len(rates) * slowdown - 1e-9
    assert slowdown <= max(1.1, min(gains)) + 1e-9
    assert max(lengths) <= room
    assert sum(lengths) <= MAX_DRAFT_TOKENS
