"""Rates come from the times of tokens."""

import pytest

from bench.peers.cases import DECODE_1, PREFILL, WHOLE, Case, rates


def test_decoding_is_counted_from_when_every_sequence_has_its_first_token():
    case = Case("decode 2", 2, 8, 3)
    found = rates(case, [[1.0, 2.0, 3.0], [2.0, 4.0, 5.0]])
    assert found == {"decode 2": 3 / 3.0, WHOLE: 6 / 5.0}  # the tokens after 2.0 s, of which 3.0 more seconds


def test_the_rate_of_a_prefill_is_that_of_its_prompt():
    assert rates(PREFILL, [[2.0]]) == {PREFILL.name: 256.0}


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match="decode 1"):
        rates(DECODE_1, [[1.0, 2.0]])


def test_prompts_are_the_same_for_every_engine_and_others_in_each_round():
    prompts = DECODE_1.prompts(vocab_size=100, seed=1)
    assert prompts == DECODE_1.prompts(vocab_size=100, seed=1) != DECODE_1.prompts(vocab_size=100, seed=2)
    assert [len(prompt) for prompt in prompts] == [128]
