"""What a corpus is made of: facts that can be asked for, turns, and the ways in which people ask."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

OPENERS = (
    "please ", "hey, ", "hi, ", "hello, ", "ok, ", "so ", "well, ", "quick question: ", "tell me, ", "say, ", "um ", "and ", "now ", "hi! ", "Hello! ",
    "I want to know: ", "a question: ", "I was wondering, ", "just curious, ", "one more thing: ", "dear assistant, ", "sorry, ", "do you know this: ",
    "let me ask you: ", "another question: ", "maybe you know: ", "my kid asks: ", "for a quiz: ", "question - ", "ah, ", "hmm, ", "can you tell me: ",
)  # fmt: skip
CLOSERS = (
    " please", ", please", " thanks", " for me", ", do you know", " exactly", " actually", " then", " by the way", ", I forgot", " again", " anyway",
    ", can you say", ", I'd like to know", " right now", ", my friend", " in short", ", tell me", ", any idea", " then please",
)  # fmt: skip
FILLERS = (
    "actually",
    "maybe",
    "exactly",
    "really",
    "um",
    "like",
    "just",
    "then",
    "even",
    "kindly",
    "now",
    "perhaps",
    "well",
    "please",
    "there",
    "again",
)
_WORD = re.compile(r"[a-zA-Z]{5,}")


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
        keys: Words in the phrasings that noise must leave alone.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    brief: str = ""
    keys: frozenset[str] = frozenset()

    def turn(self, rng: random.Random) -> Turn:
        """The fact, asked for and answered."""
        question = asked(rng, rng.choice(self.questions), self.keys)
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


def typo(rng: random.Random, text: str) -> str:
    """The text with two letters swapped, or one lost or doubled, in one of its longer words."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return rng.choice((swapped, text[:at] + text[at + 1 :], text[: at + 1] + text[at:]))


def shuffle_words(rng: random.Random, text: str, keys: frozenset[str]) -> str:
    """The text with one word that is not a key dropped, or a filler put in."""
    words = text.split(" ")
    loose = [i for i, word in enumerate(words) if word not in keys]
    if len(words) > 3 and loose and rng.random() < 0.5:
        del words[rng.choice(loose)]
    else:
        words.insert(rng.randrange(len(words) + 1), rng.choice(FILLERS))
    return " ".join(words)


def asked(rng: random.Random, question: str, keys: frozenset[str] = frozenset(), mark: str = "?") -> str:
    """The question as somebody might type it: openers, closers, case, punctuation, small mistakes."""
    text = question
    if keys and rng.random() < 0.15:
        text = shuffle_words(rng, text, keys)
    if rng.random() < 0.16:
        text = rng.choice(OPENERS) + text
    if rng.random() < 0.12:
        text += rng.choice(CLOSERS)
    if rng.random() < 0.04:
        text = typo(rng, text)
    return cased(rng, text) + rng.choice((mark, mark, mark, "", "", "", ".", mark * 2, " " + mark, "!"))


def cased(rng: random.Random, text: str) -> str:
    """The text as it is, capitalized, in lower case, or (seldom) shouted."""
    draw = rng.random()
    if draw < 0.4:
        return capitalized(text)
    if draw < 0.75:
        return text.lower()
    return text.upper() if draw > 0.98 else text
