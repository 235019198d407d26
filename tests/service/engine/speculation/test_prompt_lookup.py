"""What a text says twice is predicted, and how often that was right is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.speculation.prompt_lookup import PromptLookup


def lookup_in(*token_ids: int, num_prompt_tokens: int = 0) -> PromptLookup:
    lookup = PromptLookup(list(token_ids), num_prompt_tokens)
    lookup.catch_up()
    return lookup


def test_a_text_goes_on_as_it_went_on_before() -> None:
    assert lookup_in(1, 2, 3, 4, 5, 6, 1, 2).predict(4) == [3, 4, 5, 6]


def test_of_several_places_the_last_counts_and_of_several_lengths_the_longer() -> None:
    assert lookup_in(8, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2).predict(1) == [4]
    assert lookup_in(8, 1, 2, 3, 9, 1, 2, 4, 8, 1, 2).predict(1) == [3]


def test_a_text_that_goes_round_is_predicted_to_go_on_so() -> None:
    assert lookup_in(1, 2, 3, 1, 2, 3, 1, 2).predict(7) == [3, 1, 2, 3, 1, 2, 3]


def test_a_text_without_repetition_has_no_prediction() -> None:
    lookup = lookup_in(*range(50))
    assert lookup.acceptance_rate == 0
    with pytest.raises(AssertionError, match="nothing is predicted"):
        lookup.predict(1)


def test_a_place_that_was_right_is_kept_though_the_same_stood_later() -> None:
    # 1 2 stands behind 5 too, but the text has followed its beginning.
    assert lookup_in(4, 6, 1, 2, 3, 5, 1, 2, 9, 4, 6, 1, 2).predict(1) == [3]


def test_predictions_that_come_raise_the_rate_and_those_that_do_not_lower_it_soon() -> None:
    copied = [*range(40)]
    misleading = [token_id for place in range(10) for token_id in (0, 1, 50 + place)]
    assert lookup_in(*copied, *copied, 0, 1, num_prompt_tokens=40).acceptance_rate > 0.9
    assert lookup_in(*copied, *copied, *misleading, 0, 1, num_prompt_tokens=40).acceptance_rate < 0.6
    assert lookup_in(*copied, *misleading, 0, 1, num_prompt_tokens=40).acceptance_rate < 0.3


def test_what_a_prompt_repeats_of_itself_tells_nothing_of_the_completion() -> None:
    fresh = lookup_in(1, 2, 3, 1, 2, num_prompt_tokens=5).acceptance_rate
    assert lookup_in(*[1, 2, 3] * 9, num_prompt_tokens=27).acceptance_rate == fresh


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 60), max_size=5), st.integers(0, 60))
def test_to_catch_up_seldom_or_often_is_the_same(token_ids: list[int], stops: list[int], num_prompt: int) -> None:
    at_once = lookup_in(*token_ids, num_prompt_tokens=num_prompt)
    growing: list[int] = []
    in_parts = PromptLookup(growing, num_prompt)
    for stop in [*sorted(stops), len(token_ids)]:
        growing += token_ids[len(growing) : stop]
        in_parts.catch_up()
    assert in_parts.acceptance_rate == at_once.acceptance_rate
    if at_once.acceptance_rate:
        assert in_parts.predict(9) == at_once.predict(9)
