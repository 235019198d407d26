"""Sampling: each row by its own parameters, whatever else is in the batch."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoBadWordsLogitsProcessor,
    PrefixConstrainedLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from service.engine.sampling.sampled import NO_PROBABILITIES, NOTHING_LEFT, SampledToken, SamplingError
from service.engine.sampling.sampling import SamplingRow, uniform
from service.engine.scheduling.sequence import TokenCounts
from tests.support import naive_sampling
from tests.support.sampling_cases import (
    SEEDS,
    VOCABULARY,
    Case,
    bitmask,
    case,
    cases,
    params,
    random_logits,
    sample,
    token_ids,
    with_seeds,
)


def samples(logits: list[float], num_samples: int, **changes: Any) -> Counter[int]:
    rows = [SamplingRow(params(**changes), index) for index in range(num_samples)]
    return Counter(token_ids(torch.tensor(logits).expand(num_samples, -1), rows))


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
    counts = samples([math.log(0.5), math.log(0.3), math.log(0.2)], 10_000)
    assert [round(counts[token] / 10_000, 1) for token in range(3)] == [0.5, 0.3, 0.2]


@pytest.mark.parametrize("vocabulary", [1, 127, 128, 129, 256])
def test_draws_reach_every_token_of_a_vocabulary_of_any_size(vocabulary: int) -> None:
    assert set(samples([0.0] * vocabulary, 12 * vocabulary)) == set(range(vocabulary))


def test_top_k_leaves_the_k_most_likely() -> None:
    assert set(samples([1.0, 4.0, 3.0, 2.0], 500, top_k=2)) == {1, 2}


def test_top_p_leaves_the_smallest_set_that_reaches_p() -> None:
    logits = [math.log(p) for p in (0.1, 0.5, 0.25, 0.15)]
    assert set(samples(logits, 500, top_p=0.5)) == {1}
    assert set(samples(logits, 500, top_p=0.6)) == {1, 2}


def test_top_p_applies_to_what_top_k_leaves() -> None:
    logits = [math.log(p) for p in (0.1, 0.5, 0.25, 0.15)]
    assert set(samples(logits, 500, top_k=2, top_p=0.66)) == {1}, "0.5 of 0.75 is two thirds"


def test_top_p_that_reaches_past_the_prefilter_sorts_the_row() -> None:
    counts = samples([0.0] * 1000, 4000, top_p=0.999)
    assert len(counts) > 900


@pytest.mark.parametrize("top_k", [127, 128, 129])
def test_top_p_applies_to_what_top_k_leaves_at_the_prefilters_end_too(top_k: int) -> None:
    counts = samples([-0.0001 * token for token in range(1000)], 2000, top_k=top_k, top_p=0.5)
    assert 55 < max(counts) < 66


def test_top_k_may_reach_past_the_prefilter() -> None:
    assert 600 < max(samples([-0.001 * token for token in range(1000)], 2000, top_k=700)) < 700


@pytest.mark.parametrize("tail", [-1e9, -torch.inf])
def test_a_token_of_probability_0_is_never_drawn(tail: float) -> None:
    assert set(samples([tail, 0.0, tail, 0.0, tail], 1000)) == {1, 3}


def test_min_p_leaves_what_is_likely_enough_beside_the_most_likely() -> None:
    logits = [math.log(p) for p in (0.1, 0.5, 0.25, 0.15)]
    assert set(samples(logits, 500, min_p=0.29)) == {1, 2, 3}
    assert set(samples(logits, 500, min_p=0.49)) == {1, 2}
    assert set(samples(logits, 500, min_p=1)) == {1}


@given(cases())
def test_every_parameter_does_what_its_definition_says(one: Case) -> None:
    logits, rows = random_logits(1), with_seeds(one, 20)
    scores = naive_sampling.adjusted(logits[0].tolist(), one.row.params, one.prompt, one.completion, one.allowed)
    likely = naive_sampling.probabilities(scores, one.row.params)
    expected = [naive_sampling.sample(likely, row.params.seed, row.index) for row in rows]
    assert token_ids(logits.expand(len(rows), -1), rows) == expected


@given(cases().filter(lambda one: not one.row.params.frequency_penalty and not one.row.params.presence_penalty))
def test_transformers_processors_give_the_same_distribution(one: Case) -> None:
    logits, given = random_logits(1), one.row.params
    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(given.repetition_penalty)])
    if given.logit_bias:
        bias = {(token_id,): value for token_id, value in given.logit_bias}
        processors.insert(0, SequenceBiasLogitsProcessor(bias))  # type: ignore[arg-type]  # its older form
    if ending := given.eos_token_ids | given.stop_token_ids:
        early = len(one.prompt), given.min_tokens, sorted(ending)
        processors.append(MinNewTokensLengthLogitsProcessor(*early, device="cpu"))
    for kept in filter(None, (one.allowed, given.allowed_token_ids)):
        processors.append(PrefixConstrainedLogitsProcessor(lambda *_, kept=kept: sorted(kept), num_beams=1))
    if given.bad_words:
        no_bad_words = NoBadWordsLogitsProcessor([list(word) for word in given.bad_words], eos_token_id=[])
        # It misses a word behind as many tokens as stand before its last one, and sees the prompt too.
        completion = torch.LongTensor([[VOCABULARY - 1, *one.completion]])
        processors.append(lambda _, scores: no_bad_words(completion, scores))
    if given.temperature > 0:
        processors.append(TemperatureLogitsWarper(given.temperature))
        processors += [TopKLogitsWarper(given.top_k)] if given.top_k else []
        processors += [TopPLogitsWarper(given.top_p)] if given.top_p < 1 else []
        processors.append(MinPLogitsWarper(given.min_p))
    scores = processors(torch.LongTensor([one.prompt + one.completion]), logits)[0].tolist()
    likely = naive_sampling.probabilities(scores, params(temperature=1 if given.temperature else 0))
    rows = with_seeds(one, 20)
    expected = [naive_sampling.sample(likely, row.params.seed, row.index) for row in rows]
    assert token_ids(logits.expand(len(rows), -1), rows) == expected


@given(st.lists(cases(), min_size=2, max_size=8))
def test_a_row_draws_the_same_alone_and_in_company(rows: list[Case]) -> None:
    logits = random_logits(len(rows))
    together = token_ids(logits, [one.row for one in rows])
    assert together == [token_ids(logits[place : place + 1], [one.row])[0] for place, one in enumerate(rows)]


def test_penalties_count_as_openai_defines_them() -> None:
    logits = torch.tensor([[0.0, 1.0, 1.5, 1.9]])
    one = case(params(temperature=0, frequency_penalty=0.5, presence_penalty=0.1), [3, 3, 3], [2, 2, 1])
    assert token_ids(logits, [one.row]) == [3], "the prompt does not count"
    one = case(params(temperature=0, frequency_penalty=0.5, presence_penalty=0.1), [0], [3, 3, 2, 1])
    assert token_ids(logits, [one.row]) == [2], "1.9 - 2 * 0.5 - 0.1 is less than 1.5 - 0.5 - 0.1"


def test_a_repetition_penalty_lowers_logits_of_either_sign() -> None:
    penalized = [case(params(temperature=0, repetition_penalty=2), prompt, [1]).row for prompt in ([0], [2])]
    assert token_ids(torch.tensor([[2.0, 3.0, 1.8], [-2.0, -1.5, -1.0]]), penalized) == [2, 0]


def test_a_token_that_ends_the_completion_is_not_drawn_before_min_tokens() -> None:
    for ending in ("eos_token_ids", "stop_token_ids"):
        given = params(temperature=0, min_tokens=2, **{ending: frozenset({1, 4000})})
        rows = [SamplingRow(given, index) for index in range(3)]
        assert token_ids(torch.tensor([[1.0, 3.0, 2.0]] * 3), rows) == [2, 2, 1]


def test_only_allowed_tokens_are_drawn_and_those_beyond_the_mask_are_not_allowed() -> None:
    logits = torch.arange(100.0).expand(3, -1)
    masks = [bitmask({5, 31, 64}, 3), bitmask({5, 31}, 3), None]
    rows = [SamplingRow(params(temperature=0), 0, allowed=mask) for mask in masks]
    assert token_ids(logits, rows) == [64, 31, 99]


def test_masks_of_different_lengths_meet_in_one_batch() -> None:
    logits = torch.arange(100.0).expand(4, -1)
    kept = [{"allowed_token_ids": (5, 33)}, {"allowed_token_ids": (99, 2)}, {}, {"allowed_token_ids": (7, 64)}]
    masks = [None, None, None, {7, 31}]
    rows = [case(params(temperature=0, **one), [0], [], mask).row for one, mask in zip(kept, masks, strict=True)]
    assert token_ids(logits, rows) == [33, 99, 99, 7]


def test_a_bad_words_last_token_is_forbidden_behind_the_others_in_the_completion_only() -> None:
    given = params(temperature=0, bad_words=((1,), (2, 3), (4, 5, 6)))
    completions = {(): [], (2,): [3], (4, 5): [6], (5,): [], (4, 5, 2): [3]}
    for completion, also in completions.items():
        row = case(given, [2, 4, 5], list(completion)).row
        assert sorted(row.forbidden) == sorted([1, *also])
        assert token_ids(torch.eye(7)[[1, *also]] * 9, [row] * (1 + len(also))) == [0] * (1 + len(also))


def test_a_row_without_masks_or_words_is_plain() -> None:
    assert case(params(temperature=0), [1], [2]).row.is_plain
    assert not case(params(temperature=0, bad_words=((5,),)), [1], [2]).row.is_plain
    assert case(params(temperature=0, bad_words=((5, 6),)), [1], [2]).row.is_plain, "nothing is forbidden yet"
    assert not case(params(temperature=0, allowed_token_ids=(5,)), [1], [2]).row.is_plain


def test_logits_are_left_as_they_were() -> None:
    logits = random_logits(1)
    token_ids(logits, [case(params(logit_bias=((5, 9.0),), repetition_penalty=2), [5], [6], {5, 6}).row])
    assert torch.equal(logits, random_logits(1))


def test_what_float64_tells_apart_stays_apart() -> None:
    logits = torch.tensor([[1.0, 1.0 + 1e-12, 0.0]], dtype=torch.float64)
    assert token_ids(logits, [SamplingRow(params(temperature=0, logit_bias=((2, 0.5),)), 0)]) == [1]


@pytest.mark.parametrize("temperature", [5e-324, 1e-30])
def test_a_temperature_of_almost_0_takes_the_most_likely_token(temperature: float) -> None:
    rows = [SamplingRow(params(temperature=temperature), 0)]
    assert token_ids(torch.tensor([[90.0, 91.0, -50.0]]), rows) == [1]


@given(cases(), st.integers(0, 20))
def test_log_probabilities_are_those_of_the_raw_logits(one: Case, num_logprobs: int) -> None:
    logits = random_logits(3)
    row = replace(one.row, params=replace(one.row.params, num_logprobs=num_logprobs))
    others = [SamplingRow(params(num_logprobs=count), 0) for count in (None, 20)]
    token, silent, talkative = sample(logits, [row, *others])
    assert isinstance(token, SampledToken)
    assert isinstance(silent, SampledToken)
    assert isinstance(talkative, SampledToken)
    assert (token.token_id, silent.logprobs) == (token_ids(logits[:1], [one.row])[0], None)
    assert talkative.logprobs is not None
    assert len(talkative.logprobs.top) == 20
    raw = torch.log_softmax(logits[0], dim=-1)
    assert token.logprobs is not None
    assert token.logprobs.logprob == pytest.approx(raw[token.token_id].item())
    expected = sorted(enumerate(raw.tolist()), key=lambda likely: -likely[1])[:num_logprobs]
    assert [token_id for token_id, _ in token.logprobs.top] == [token_id for token_id, _ in expected]
    assert [logprob for _, logprob in token.logprobs.top] == pytest.approx([logprob for _, logprob in expected])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_first_of_equally_likely_tokens_is_taken(dtype: torch.dtype) -> None:
    logits = torch.zeros((2, 300), dtype=dtype)
    logits[0, [17, 18, 290]] = 1
    assert token_ids(logits, [SamplingRow(params(temperature=0), 0)] * 2) == [17, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0, 1])
def test_a_row_without_valid_probabilities_fails_alone(bad: float, temperature: float) -> None:
    logits = random_logits(3)
    logits[1, 7] = bad
    rows = [SamplingRow(params(temperature=temperature, num_logprobs=2), 0)] * 3
    first, failed, last = sample(logits, rows)
    assert isinstance(failed, SamplingError)
    assert str(failed) == NO_PROBABILITIES
    assert [first, last] == [sample(logits[place : place + 1], rows[:1])[0] for place in (0, 2)]


@pytest.mark.parametrize("temperature", [0, 1])
def test_a_row_that_excludes_every_token_fails_alone(temperature: float) -> None:
    given = params(temperature=temperature, min_tokens=1, eos_token_ids=frozenset({2}))
    rows = [SamplingRow(given, 0, allowed=bitmask(allowed)) for allowed in ({3}, {2}, set())]
    first, *failed = sample(random_logits(3), rows)
    assert first == SampledToken(3)
    assert [str(error) for error in failed] == [NOTHING_LEFT] * 2


def test_counts_are_of_the_completion_and_know_the_prompt() -> None:
    counts = TokenCounts([5, 6, 5])
    for token_id in (6, 7, 6):
        counts.add(token_id)
    assert dict(zip(counts.token_ids, counts.counts, strict=True)) == {5: 0, 6: 2, 7: 1}
