"""Words of courtesy in other languages."""

import random

from demo.corpus_turns import Fact, Turn, expand
from demo.data_facts import LANGUAGES

_SAY = (
    "how do you say {w} in {l}", "{w} in {l}", "what is {w} in {l}", "say {w} in {l}", "how do I say {w} in {l}", "translate {w} into {l}", "translate {w} to {l}", "what's the {l} word for {w}",
    "what is the {l} word for {w}", "{l} for {w}", "what do people say for {w} in {l}", "teach me {w} in {l}", "how does one say {w} in {l}", "can you say {w} in {l}", "how would I say {w} in {l}",
    "please tell me the {l} for {w}", "how to say {w} in {l}", "I need to say {w} in {l}", "{l} {w}", "in {l}, how do I say {w}",
    "{w} - in {l} please", "the {l} word for {w}", "what would a {l} speaker say for {w}", "I want to say {w} in {l}", "my friend speaks {l}, how do I tell them {w}", "how do {l} speakers say {w}",
    "what does one say in {l} for {w}", "{w} translated into {l}", "what's {w} in {l}", "what is the {l} for {w}", "how can I say {w} in {l}", "the {l} for {w}", "what do I say in {l} to mean {w}",
    "how would you say {w} in {l}", "which {l} word means {w}", "{w} in the {l} language", "put {w} into {l}", "in the {l} language {w} is", "how do people say {w} in {l}", "is there a {l} word for {w}",
)  # fmt: skip
_WORDS = ("hello", "thank you", "goodbye", "good morning", "I love you")
_WORD_FORMS = (
    ("hello", "hi", "hello"),
    ("thank you", "thanks"),
    ("goodbye", "bye"),
    ("good morning",),
    ("I love you",),
)


def _say_facts() -> tuple[Fact, ...]:
    facts = []
    for language, *words in LANGUAGES:
        for meaning, forms, word in zip(_WORDS, _WORD_FORMS, words, strict=True):
            questions = tuple(text for form in forms for text in expand(_SAY, w=form, l=language))
            answer = f"In {language}, {meaning} is: {word}"
            facts.append(Fact(questions, (answer,), word))
    return tuple(facts)


SAY_FACTS = _say_facts()


def draw_translation(rng: random.Random) -> list[Turn]:
    """A word of courtesy in another language."""
    fact = rng.choice(SAY_FACTS)
    return [fact.turn(rng)]
