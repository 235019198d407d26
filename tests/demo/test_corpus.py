"""The corpus is the same each time and holds none of the held-out questions."""

from dataclasses import dataclass, field

import pytest

from demo.corpus import conversations
from demo.corpus_turns import Turn, normalized
from demo.heldout import HELD_OUT
from demo.train import NUM_CONVERSATIONS, SEED


@dataclass
class Survey:
    """What a walk over the whole corpus found; the corpus itself would fill a gigabyte."""

    held_out: set[str] = field(default_factory=set)
    without_answer: list[Turn] = field(default_factory=list)
    with_open_slot: list[Turn] = field(default_factory=list)


@pytest.fixture(scope="module")
def survey() -> Survey:
    counted = {normalized(question.said[-1]) for question in HELD_OUT}
    found = Survey()
    for conversation in conversations(SEED, NUM_CONVERSATIONS):
        for turn in conversation.turns:
            found.held_out |= {normalized(turn.question)} & counted
            if not turn.answer.strip():
                found.without_answer.append(turn)
            if "{" in turn.answer and "{}" not in turn.answer and "main" not in turn.answer:
                found.with_open_slot.append(turn)
    return found


def test_the_same_seed_gives_the_same_corpus():
    assert list(conversations(1, 200)) == list(conversations(1, 200))


def test_another_seed_gives_another_corpus():
    assert list(conversations(1, 200)) != list(conversations(2, 200))


def test_no_held_out_question_is_in_the_corpus(survey: Survey):
    assert survey.held_out == set()


def test_no_answer_is_empty(survey: Survey):
    assert survey.without_answer == []


def test_no_slot_is_left_open(survey: Survey):
    assert survey.with_open_slot == []


def test_the_held_out_questions_are_at_least_a_hundred_and_all_different():
    assert len({question.said for question in HELD_OUT}) == len(HELD_OUT) >= 100
