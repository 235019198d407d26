"""The corpus is the same each time and holds none of the held-out questions."""

import pytest

from service.demo.corpus import Conversation, conversations
from service.demo.corpus_turns import normalized
from service.demo.heldout import HELD_OUT
from service.demo.train import NUM_CONVERSATIONS, SEED


@pytest.fixture(scope="module")
def corpus() -> list[Conversation]:
    return list(conversations(SEED, NUM_CONVERSATIONS))


def test_the_same_seed_gives_the_same_corpus():
    assert list(conversations(1, 200)) == list(conversations(1, 200))


def test_another_seed_gives_another_corpus():
    assert list(conversations(1, 200)) != list(conversations(2, 200))


def test_no_held_out_question_is_in_the_corpus(corpus: list[Conversation]):
    asked = {normalized(turn.question) for conversation in corpus for turn in conversation.turns}
    counted = [normalized(question.said[-1]) for question in HELD_OUT]
    assert [question for question in counted if question in asked] == []


def test_no_answer_is_empty(corpus: list[Conversation]):
    assert all(turn.answer.strip() for conversation in corpus for turn in conversation.turns)


def test_no_slot_is_left_open(corpus: list[Conversation]):
    answers = (turn.answer for conversation in corpus for turn in conversation.turns)
    assert not [answer for answer in answers if "{" in answer and "{}" not in answer and "main" not in answer]


def test_the_held_out_questions_are_at_least_a_hundred_and_all_different():
    assert len({question.said for question in HELD_OUT}) == len(HELD_OUT) >= 100
