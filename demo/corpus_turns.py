"""What a corpus is made of: facts that can be asked for, turns, and the ways in which people ask."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from demo.corpus_phrasing import dressed, reworded


@dataclass(frozen=True)
class Turn:
    """One question and its answer; `brief` is the answer for a system prompt that wants few words."""

    question: str
    answer: str
    brief: str = ""


@dataclass(frozen=True)
class Fact:
    """Something the model knows.

    Attributes:
        questions: Phrasings without a closing mark.
        answers: Whole answers, any of which will do.
        brief: The shortest answer.
        is_literal: Whether it is about a word itself, for which no other may stand.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    brief: str = ""
    is_literal: bool = False

    def turn(self, rng: random.Random) -> Turn:
        """The fact, asked for and answered."""
        question = dressed(rng, reworded(rng, rng.choice(self.questions), self.is_literal))
        return Turn(question, rng.choice(self.answers), self.brief)


def capitalized(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def expand(templates: Sequence[str], **slots: str) -> tuple[str, ...]:
    """Every template with its slots filled."""
    return tuple(template.format(**slots) for template in templates)


def normalized(text: str) -> str:
    """Lower case letters and digits only, with single spaces: what two phrasings have in common but punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def asked(rng: random.Random, question: str, mark: str = "?") -> str:
    """The question, left whole, as somebody might type it."""
    return dressed(rng, question, mark)


def put(rng: random.Random, question: str, mark: str = "?") -> str:
    """The question, perhaps put differently, as somebody might type it."""
    return dressed(rng, reworded(rng, question), mark)
