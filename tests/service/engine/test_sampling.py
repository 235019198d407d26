"""Sampling: each row by its own parameters, whatever else is in the batch."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.engine.sampling import SampledToken, SamplingRow, sample, uniform
from service.engine.sequence import SamplingParams

SEEDS = st.integers(-(2**63), 2**63 - 1)


def params(**changes: float) -> SamplingParams:
    return SamplingParams(**({"max_tokens": 1, "temperature": 1.0} | changes))  # type: ignore[arg-type]


def token_ids(logits: torch.Tensor, rows: list[SamplingRow]) -> list[int]:
    tokens = [token for token in sample(logits, rows) if isinstance(token, SampledToken)]
    assert len(tokens) == len(rows)
    return [token.token_id for token in tokens]


def draw(logits: list[float], num_draws: int, **changes: float) -> Counter[int]:
    rows = [SamplingRow(params(**changes), index) for index in range(num_draws)]
    return Counter(token_ids(torch.tensor(logits).expand(num_draws, -1), rows))


@given(SEEDS, st.integers(0, 10_000))
def test_the_uniform_number_is_in_its_range_and_repeats(seed: int, index: int) -> None:
    assert 0 <= uniform(seed, index) < 1
    assert uniform(seed, index) == uniform(seed, index)


def test_uniform_numbers_are_spread_evenly() -> None:
    numbers = [uniform(seed, index) for seed in range(100) for index in range(100)]
    assert math.isclose(sum(numbers) / len(numbers), 0.5, abs_tol=0.01)
    tenths = Counter(int(number * 10) for number in numbers)
    assert all(900 < tenths[tenth] < 1100 for tenth in range(10))


def test_temperature_0_takes_the_most_likely_token() -> None:
    assert token_ids(torch.tensor([[0.0, 3.0, 1.0]]), [SamplingRow(params(temperature=0), 0)]) == [1]


def test_draws_follow_the_probabilities() -> None:
    counts = draw([math.log(0.5), math.log(0.3), math.log(0.2)], 10_000)
    assert [round(counts[token] / 10_000, 1) for token in range(3)] == [0.5, 0.3, 0.2]


def test_top_k_leaves_the_k_most_likely() -> None:
    assert set(draw([1.0, 4.0, 3.0, 2.0], 500, top_k=2)) == {1, 2}


def test_top_p_leaves_the_smallest_set_that_reaches_p() -> None:
    logits = [math.log(p) for p in (0.1, 0.5, 0.25, 0.15)]
    assert set(draw(logits, 500, top_p=0.5)) == {1}
    assert set(draw(logits, 500, top_p=0.6)) == {1, 2}


def test_top_p_applies_to_what_top_k_leaves() -> None:
    logits = [math.log(p) for p in (0.1, 0.5, 0.25, 0.15)]
    assert set(draw(logits, 500, top_k=2, top_p=0.66)) == {1}, "0.5 of 0.75 is two thirds"


def test_top_p_that_reaches_past_the_prefilter_sorts_the_row() -> None:
    counts = draw([0.0] * 1000, 4000, top_p=0.999)
    assert len(counts) > 900


@pytest.mark.parametrize("tail", [-1e9, -torch.inf])
def test_a_token_of_probability_0_is_never_drawn(tail: float) -> None:
    assert set(draw([tail, 0.0, tail, 0.0, tail], 1000)) == {1, 3}


@given(
    st.lists(
        st.tuples(
            SEEDS,
            st.sampled_from([0.0, 0.3, 1.0, 5.0]),
            st.sampled_from([0, 1, 3, 50]),
            st.sampled_from([0.1, 0.9, 1.0]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_row_draws_the_same_alone_and_in_company(rows: list[tuple[int, float, int, float]]) -> None:
    logits = torch.randn(len(rows), 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    each = [
        SamplingRow(params(seed=seed, temperature=t, top_k=k, top_p=p), index)
        for index, (seed, t, k, p) in enumerate(rows)
    ]
    together = token_ids(logits, each)
    alone = [token_ids(logits[place : place + 1], [row])[0] for place, row in enumerate(each)]
    assert together == alone
