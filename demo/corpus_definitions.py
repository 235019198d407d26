"""Questions about the words of this project and of computing."""

import random

from demo.corpus_turns import Fact, Turn, expand, put
from demo.data_definitions import DEFINITIONS

DEFINE = (
    "what is {x}", "what is a {x}", "what's {x}", "what's a {x}", "what are {x}", "what does {x} mean", "define {x}", "explain {x}", "explain {x} to me", "what do you mean by {x}",
    "what is meant by {x}", "meaning of {x}", "definition of {x}", "can you explain {x}", "can you explain what {x} is", "tell me about {x}", "tell me what {x} is", "{x}", "{x} meaning",
    "what exactly is {x}", "I don't understand {x}", "please explain {x} in simple words", "what is the meaning of {x}", "what is {x} for", "how does {x} work", "describe {x}",
    "what does the word {x} mean", "what does the term {x} mean", "what is {x} in AI", "what is {x} in computing", "what do people mean by {x}", "I heard about {x}, what is it",
    "what is {x} used for", "why do we need {x}", "give me a definition of {x}", "help me understand {x}", "what is this {x} everybody talks about", "do you know what {x} is",
    "explain {x} like I'm five", "I'm new to this, what is {x}", "what is {x} in a language model", "what would you say {x} is", "{x} - what is that", "{x}, what is that",
    "could you tell me what {x} means", "what is the use of {x}", "what is the idea of {x}", "in one sentence, what is {x}", "how would you define {x}", "who can tell me what {x} is",
    "how do you use {x}", "teach me about {x}", "what does {x} do", "what role does {x} play", "say what {x} is", "the word {x}, what does it mean", "I'm confused about {x}",
    "{x} confuses me", "I keep hearing about {x}", "what's {x} all about", "{x} for beginners", "{x} in plain words", "a short description of {x}", "why do people use {x}", "{x} explained",
    "how would you put {x} in your own words", "what's the deal with {x}", "I've read about {x} but don't get it", "when do I need {x}", "what's the point of {x}", "how does one use {x}",
    "in simple terms {x}", "some words on {x}", "{x} means what", "{x}: meaning", "can anyone explain {x}", "give me the short version of {x}", "what do engineers mean when they say {x}",
    "never heard of {x}, what is it", "explain to a child what {x} is", "what is it that {x} does", "the purpose of {x}", "what good is {x}", "I saw {x} in the docs, what is that",
    "what sort of thing is {x}", "why would anybody want {x}", "what do I need {x} for", "what does {x} do for me", "where is {x} used", "who needs {x}", "when is {x} useful", "the idea behind {x}",
    "what should I know about {x}", "I don't get {x}", "I have no idea what {x} is", "somebody said {x}, what did they mean", "break down {x} for me", "what might {x} be", "is {x} hard to understand",
    "I came across {x}", "the docs mention {x}", "walk me through {x}", "what would {x} be good for", "what does it mean when people say {x}", "what's meant by {x}", "the term {x}", "the meaning of {x}",
)  # fmt: skip
_WHY_NEXT = (
    "why", "why does it matter", "why is that important", "why is it important", "and why does that matter", "why do I need that", "what is it good for", "why is that useful",
    "why should I care", "but why", "why is that so", "and what is that good for", "is that important", "so why would I need it", "what for", "why do people care about it",
)  # fmt: skip


def _definition_facts() -> tuple[tuple[Fact, str], ...]:
    facts = []
    for names, meaning, reason in DEFINITIONS:
        questions = tuple(text for name in names for text in expand(DEFINE, x=name))
        facts.append((Fact(questions, (meaning,), meaning.split(". ")[0].rstrip(".") + "."), reason))
    return tuple(facts)


DEFINITION_FACTS = _definition_facts()


def draw_definition(rng: random.Random) -> list[Turn]:
    """What a word means, and sometimes why it matters."""
    fact, reason = rng.choice(DEFINITION_FACTS)
    turns = [fact.turn(rng)]
    if rng.random() < 0.3:
        turns.append(Turn(put(rng, rng.choice(_WHY_NEXT)), reason))
    return turns
