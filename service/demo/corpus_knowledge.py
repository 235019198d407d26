"""Questions about words, animals, colours, days and other small facts."""

import random

from service.demo.corpus_turns import Fact, Turn, asked, capitalized, expand
from service.demo.data_definitions import ABBREVIATIONS, DEFINITIONS
from service.demo.data_facts import ANIMALS, COLOURS, FOODS, LANGUAGES, MIXES, OPPOSITES, PLURALS, REASONS, TRIVIA

DEFINE = (
    "what is {x}", "what is a {x}", "what's {x}", "what's a {x}", "what are {x}", "what does {x} mean", "define {x}", "explain {x}", "explain {x} to me", "what do you mean by {x}",
    "what is meant by {x}", "meaning of {x}", "definition of {x}", "can you explain {x}", "can you explain what {x} is", "tell me about {x}", "tell me what {x} is", "{x}", "{x} meaning",
    "what exactly is {x}", "I don't understand {x}", "please explain {x} in simple words", "what is the meaning of {x}", "what is {x} for", "how does {x} work", "describe {x}",
    "what does the word {x} mean", "what does the term {x} mean", "what is {x} in AI", "what is {x} in computing", "what do people mean by {x}", "I heard about {x}, what is it",
    "what is {x} used for", "why do we need {x}", "give me a definition of {x}", "help me understand {x}", "what is this {x} everybody talks about", "do you know what {x} is",
    "explain {x} like I'm five", "I'm new to this, what is {x}", "what is {x} in a language model", "what would you say {x} is", "{x} - what is that", "{x}, what is that",
    "could you tell me what {x} means", "what is the use of {x}", "what is the idea of {x}", "in one sentence, what is {x}", "how would you define {x}", "who can tell me what {x} is",
    "how do you use {x}", "teach me about {x}", "what does {x} do", "what role does {x} play", "say what {x} is", "the word {x}, what does it mean", "I'm confused about {x}",
)  # fmt: skip
_WHY_NEXT = (
    "why", "why does it matter", "why is that important", "why is it important", "and why does that matter", "why do I need that", "what is it good for", "why is that useful",
    "why should I care", "but why", "why is that so", "and what is that good for", "is that important", "so why would I need it", "what for", "why do people care about it",
)  # fmt: skip
_STAND_FOR = (
    "what does {x} stand for", "what is {x} short for", "{x} stands for", "what is the long form of {x}", "{x} is short for what", "what do the letters {x} mean", "what does the abbreviation {x} mean",
    "expand {x}", "what does {x} stand for exactly", "full form of {x}", "spell out {x}",
)  # fmt: skip
_OPPOSITE = (
    "what is the opposite of {x}", "opposite of {x}", "what's the opposite of {x}", "name the opposite of {x}", "the opposite of {x} is", "what word is the opposite of {x}", "{x} opposite",
    "give me the opposite of {x}", "which word means the opposite of {x}", "what is the contrary of {x}", "antonym of {x}", "tell me the opposite of {x}", "{x} is the opposite of what",
    "what would be the opposite of {x}", "not {x} but", "the reverse of {x}",
)  # fmt: skip
_PLURAL = (
    "what is the plural of {x}", "plural of {x}", "what's the plural of {x}", "the plural of {x} is", "how do you say {x} in plural", "one {x}, many what", "{x} plural", "tell me the plural of {x}",
    "what do you call more than one {x}", "how do I write the plural of {x}", "if there are two, {x} becomes", "plural form of {x}", "several of a {x} are called",
)  # fmt: skip
_SOUND = (
    "what does a {x} say", "what sound does a {x} make", "how does a {x} sound", "which sound does a {x} make", "sound of a {x}", "what noise does a {x} make", "what do {x}s say", "{x} sound",
    "the {x} says", "what does the {x} say",
)  # fmt: skip
_MAKER = (
    "which animal says {s}",
    "what animal goes {s}",
    "which animal makes the sound {s}",
    "who says {s}",
    "what animal says {s}",
    "name the animal that says {s}",
)
_BABY = (
    "what is a baby {x} called", "what do you call a baby {x}", "baby {x}", "the young of a {x} is called", "how is a young {x} called", "what is the name of a baby {x}", "name of a young {x}",
    "what is a young {x} called", "a little {x} is called what", "what's a baby {x}",
)  # fmt: skip
_LEGS = (
    "how many legs does a {x} have", "how many legs do {x}s have", "number of legs of a {x}", "how many legs has a {x}", "{x} legs", "does a {x} have legs, and how many", "count the legs of a {x}",
    "how many feet does a {x} have", "tell me how many legs a {x} has", "on how many legs does a {x} walk",
)  # fmt: skip
_KIND = (
    "what kind of animal is a {x}",
    "is a {x} a mammal",
    "what is a {x}",
    "what type of animal is a {x}",
    "is a {x} a bird or a mammal",
    "to which group does a {x} belong",
    "what are {x}s",
)
_EMOJI = (
    "send me a {x} emoji",
    "{x} emoji",
    "show me a {x} emoji",
    "give me an emoji of a {x}",
    "emoji for {x}",
    "what is the emoji for {x}",
    "can you send a {x} emoji",
    "draw a {x} with an emoji",
)
_COLOUR = (
    "what colour is {x}", "what color is {x}", "which colour is {x}", "which color does {x} have", "what is the colour of {x}", "what's the color of {x}", "colour of {x}", "color of {x}",
    "what colour does {x} have", "tell me the colour of {x}", "{x} is what colour", "in what colour do we see {x}", "name the color of {x}",
)  # fmt: skip
_MIX = (
    "what do you get when you mix {a} and {b}", "what colour do {a} and {b} make", "mix {a} and {b}", "which color comes from {a} and {b}", "{a} and {b} make which colour",
    "what is {a} plus {b} in colours", "what happens if I mix {a} with {b}", "{a} mixed with {b} is", "I mix {a} and {b} paint, what colour is it", "combine {a} and {b}",
)  # fmt: skip
_FROM = (
    "where does {x} come from", "what is {x} made of", "what is {x} made from", "how is {x} made", "who makes {x}", "{x} is made of what", "which animal or thing gives us {x}",
    "what do you need to make {x}", "origin of {x}", "from what do we get {x}", "where do we get {x} from", "what animal does {x} come from",
)  # fmt: skip
_SAY = (
    "how do you say {w} in {l}", "{w} in {l}", "what is {w} in {l}", "say {w} in {l}", "how do I say {w} in {l}", "translate {w} into {l}", "translate {w} to {l}", "what's the {l} word for {w}",
    "what is the {l} word for {w}", "{l} for {w}", "what do people say for {w} in {l}", "teach me {w} in {l}", "how does one say {w} in {l}", "can you say {w} in {l}", "how would I say {w} in {l}",
    "please tell me the {l} for {w}", "how to say {w} in {l}", "I need to say {w} in {l}", "{l} {w}", "in {l}, how do I say {w}",
)  # fmt: skip
_WORDS = ("hello", "thank you", "goodbye", "good morning", "I love you")
_WORD_FORMS = (
    ("hello", "hi", "hello"),
    ("thank you", "thanks"),
    ("goodbye", "bye"),
    ("good morning",),
    ("I love you",),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_AFTER = (
    "which {k} comes after {x}", "what {k} is after {x}", "what comes after {x}", "which {k} follows {x}", "the {k} after {x}", "what is the {k} after {x}", "what {k} comes next after {x}",
    "{x} is followed by which {k}", "name the {k} after {x}", "if today is {x}, what comes next",
)  # fmt: skip
_BEFORE = (
    "which {k} comes before {x}",
    "what {k} is before {x}",
    "what comes before {x}",
    "the {k} before {x}",
    "what is the {k} before {x}",
    "which {k} is just before {x}",
    "name the {k} before {x}",
)
_WHY = (
    "why {x}", "why {x}", "tell me why {x}", "do you know why {x}", "can you explain why {x}", "please explain why {x}", "explain why {x}", "what is the reason that {x}", "how come {x}", "for what reason {x}",
    "I wonder why {x}", "any idea why {x}", "what makes it that {x}",
)  # fmt: skip
_ASKED = (
    "{x}",
    "{x}",
    "{x}",
    "can you tell me {x}",
    "do you know {x}",
    "tell me {x}",
    "I'd like to know {x}",
    "please say {x}",
    "could you say {x}",
    "what would you say: {x}",
    "I forgot {x}",
)


def _facts(templates: tuple[str, ...], rows: tuple[tuple[str, str], ...], answer: str) -> tuple[Fact, ...]:
    return tuple(
        Fact(expand(templates, x=x), (capitalized(answer.format(x=x, y=y)),), y, frozenset(x.split())) for x, y in rows
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _animal_facts() -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for name, sound, baby, legs, kind, emoji in ANIMALS:
        one, key = f"{_article(name)} {name}", frozenset((name,))
        if sound:
            facts.append(Fact(expand(_SOUND, x=name), (f"{capitalized(one)} says {sound}. {emoji}",), sound, key))
            facts.append(Fact(expand(_MAKER, s=sound), (f"That is {one}. {emoji}",), name, frozenset((sound,))))
        facts.append(Fact(expand(_BABY, x=name), (f"A baby {name} is called {_article(baby)} {baby}.",), baby, key))
        facts.append(Fact(expand(_LEGS, x=name), (f"{capitalized(one)} has {legs} legs.",), legs, key))
        facts.append(
            Fact(expand(_KIND, x=name), (f"{capitalized(one)} is {_article(kind)} {kind}. {emoji}",), kind, key)
        )
        facts.append(Fact(expand(_EMOJI, x=name), (emoji,), emoji, key))
    return tuple(facts)


def _mix_facts() -> tuple[Fact, ...]:
    pairs = tuple((first, second, mix) for a, b, mix in MIXES for first, second in ((a, b), (b, a)))
    return tuple(
        Fact(expand(_MIX, a=a, b=b), (f"{capitalized(a)} and {b} make {mix}.",), mix, frozenset((a, b)))
        for a, b, mix in pairs
    )


def _say_facts() -> tuple[Fact, ...]:
    facts = []
    for language, *words in LANGUAGES:
        for meaning, forms, word in zip(_WORDS, _WORD_FORMS, words, strict=True):
            questions = tuple(text for form in forms for text in expand(_SAY, w=form, l=language))
            answer = f"In {language}, {meaning} is: {word}"
            facts.append(Fact(questions, (answer,), word, frozenset((language, *meaning.split()))))
    return tuple(facts)


def _order_facts(kind: str, names: tuple[str, ...]) -> tuple[Fact, ...]:
    facts = []
    for here, following in zip(names, names[1:] + names[:1], strict=True):
        facts.append(
            Fact(expand(_AFTER, k=kind, x=here), (f"{following} comes after {here}.",), following, frozenset((here,)))
        )
        facts.append(
            Fact(
                expand(_BEFORE, k=kind, x=following),
                (f"{here} comes before {following}.",),
                here,
                frozenset((following,)),
            )
        )
    return tuple(facts)


def _definition_facts() -> tuple[tuple[Fact, str], ...]:
    facts = []
    for names, meaning, reason in DEFINITIONS:
        questions = tuple(text for name in names for text in expand(DEFINE, x=name))
        keys = frozenset(word for name in names for word in name.split())
        facts.append((Fact(questions, (meaning,), meaning.split(". ")[0].rstrip(".") + ".", keys), reason))
    return tuple(facts)


def _trivia_facts() -> tuple[Fact, ...]:
    return tuple(
        Fact(
            tuple(text for question in questions for text in expand(_ASKED, x=question)),
            (answer,),
            brief,
            frozenset(questions[0].split()[2:]),
        )
        for questions, answer, brief in TRIVIA
    )


def _reason_facts() -> tuple[Fact, ...]:
    return tuple(
        Fact(
            tuple(text for question in questions for text in expand(_WHY, x=question)),
            (answer,),
            "",
            frozenset(questions[0].split()[1:]),
        )
        for questions, answer in REASONS
    )


DEFINITION_FACTS = _definition_facts()
SAY_FACTS = _say_facts()
TRIVIA_FACTS = _trivia_facts()
REASON_FACTS = _reason_facts()
SMALL_FACTS: tuple[tuple[Fact, ...], ...] = (
    _facts(_OPPOSITE, OPPOSITES, "the opposite of {x} is {y}."),
    _facts(_PLURAL, PLURALS, "the plural of {x} is {y}."),
    _facts(_COLOUR, COLOURS, "{x} is {y}."),
    _facts(_FROM, FOODS, "{x} comes from {y}."),
    _facts(_STAND_FOR, ABBREVIATIONS, "{x} stands for {y}."),
    _animal_facts(),
    _animal_facts(),
    _mix_facts(),
    _order_facts("day", _DAYS),
    _order_facts("month", _MONTHS),
)


def draw_definition(rng: random.Random) -> list[Turn]:
    """What a word means, and sometimes why it matters."""
    fact, reason = rng.choice(DEFINITION_FACTS)
    turns = [fact.turn(rng)]
    if rng.random() < 0.3:
        turns.append(Turn(asked(rng, rng.choice(_WHY_NEXT)), reason))
    return turns


def draw_small_fact(rng: random.Random) -> list[Turn]:
    """An opposite, a plural, a colour, an animal, a day."""
    return [rng.choice(rng.choice(SMALL_FACTS)).turn(rng)]


def draw_trivia(rng: random.Random) -> list[Turn]:
    """Something that one learns at school."""
    return [rng.choice(TRIVIA_FACTS).turn(rng)]


def draw_reason(rng: random.Random) -> list[Turn]:
    """A question that begins with why."""
    return [rng.choice(REASON_FACTS).turn(rng)]


def draw_translation(rng: random.Random) -> list[Turn]:
    """A word of courtesy in another language."""
    fact = rng.choice(SAY_FACTS)
    return [fact.turn(rng)]
