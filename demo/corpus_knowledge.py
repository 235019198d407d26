"""Questions about animals, colours, days and other small facts."""

import random

from demo.corpus_places import NEXT_SAME
from demo.corpus_turns import Fact, Turn, asked, capitalized, expand
from demo.data_definitions import ABBREVIATIONS
from demo.data_facts import ANIMALS, COLOURS, FOODS, MIXES, OPPOSITES, PLURALS, REASONS, TRIVIA

_STAND_FOR = (
    "what does {x} stand for", "what is {x} short for", "{x} stands for", "what is the long form of {x}", "{x} is short for what", "what do the letters {x} mean", "what does the abbreviation {x} mean",
    "expand {x}", "what does {x} stand for exactly", "full form of {x}", "spell out {x}",
)  # fmt: skip
_OPPOSITE = (
    "what is the opposite of {x}", "opposite of {x}", "what's the opposite of {x}", "name the opposite of {x}", "the opposite of {x} is", "what word is the opposite of {x}", "{x} opposite",
    "give me the opposite of {x}", "which word means the opposite of {x}", "what is the contrary of {x}", "antonym of {x}", "tell me the opposite of {x}", "{x} is the opposite of what",
    "what would be the opposite of {x}", "not {x} but", "the reverse of {x}", "{x} and its opposite", "{x} has what opposite", "if something is not {x}, it is", "what is the antonym of {x}",
    "the other side of {x}", "{x} versus what", "the exact opposite of {x}", "which word is contrary to {x}", "if it isn't {x} what is it", "I need a word that means the opposite of {x}",
    "what's the contrary of {x}", "{x} - and the opposite", "what word stands against {x}", "turn {x} into its opposite", "the word opposite to {x}", "what do you call the opposite of {x}",
)  # fmt: skip
_PLURAL = (
    "what is the plural of {x}", "plural of {x}", "what's the plural of {x}", "the plural of {x} is", "how do you say {x} in plural", "one {x}, many what", "{x} plural", "tell me the plural of {x}",
    "what do you call more than one {x}", "how do I write the plural of {x}", "if there are two, {x} becomes", "plural form of {x}", "several of a {x} are called", "one {x} and many", "what is {x} in the plural", "I have one {x}, you have two what", "two of a {x} are called",
    "make {x} plural", "{x} in plural", "what's more than one {x}", "how is the plural of {x} written", "how do I say several {x}", "a {x}, two", "the word for more than one {x}", "pluralize {x}",
    "if I see a {x} and another {x}, I see two what", "what are two {x} called", "{x} - plural", "I only know {x}, what is the plural",
)  # fmt: skip
_SOUND = (
    "what does a {x} say", "what sound does a {x} make", "how does a {x} sound", "which sound does a {x} make", "sound of a {x}", "what noise does a {x} make", "what do {x}s say", "{x} sound",
    "the {x} says", "what does the {x} say", "which noise do {x}s make", "what do you hear from a {x}", "what is the sound of a {x}", "what is the noise of a {x}", "a {x} makes what sound",
    "a {x} goes", "how do {x}s sound", "what does a {x} sound like", "the sound that a {x} makes", "if a {x} talks, what does it say", "what noise comes from a {x}",
)  # fmt: skip
_MAKER = (
    "which animal says {s}",
    "what animal goes {s}",
    "which animal makes the sound {s}",
    "who says {s}",
    "what animal says {s}",
    "name the animal that says {s}",
    "{s} is said by which animal",
    "I heard {s}, which animal was that",
    "what animal makes {s}",
    "which creature goes {s}",
    "who goes {s}",
    "what animal do I hear when it goes {s}",
    "{s} is the sound of what animal",
)
_BABY = (
    "what is a baby {x} called", "what do you call a baby {x}", "baby {x}", "the young of a {x} is called", "how is a young {x} called", "what is the name of a baby {x}", "name of a young {x}",
    "what is a young {x} called", "a little {x} is called what", "what's a baby {x}", "what do people call a baby {x}", "what's the baby of a {x} called", "the word for a baby {x}", "the baby of a {x}",
    "the name for a young {x}", "the {x} had a baby, what is it called", "a {x}'s baby is called", "what do you call a young {x}", "what name has a baby {x}", "a newborn {x} is called", "how do you call a baby {x}",
    "what's the name for a little {x}", "what is the term for a baby {x}", "what are baby {x}s called",
)  # fmt: skip
_LEGS = (
    "how many legs does a {x} have", "how many legs do {x}s have", "number of legs of a {x}", "how many legs has a {x}", "{x} legs", "does a {x} have legs, and how many", "count the legs of a {x}",
    "how many feet does a {x} have", "tell me how many legs a {x} has", "on how many legs does a {x} walk", "a {x} has how many legs", "{x}s have how many legs", "how many legs are on a {x}",
    "a {x} walks on how many legs", "the number of legs on a {x}", "legs of a {x}", "how many legs would a {x} have", "{x}: how many legs", "how many legs can I count on a {x}", "the legs of a {x}, how many",
)  # fmt: skip
_KIND = (
    "what kind of animal is a {x}",
    "is a {x} a mammal",
    "what is a {x}",
    "what type of animal is a {x}",
    "is a {x} a bird or a mammal",
    "to which group does a {x} belong",
    "what are {x}s",
    "what sort of animal is a {x}",
    "what class of animal is a {x}",
    "what kind of creature is a {x}",
    "are {x}s mammals",
    "a {x} is what kind of animal",
    "which group of animals does a {x} belong to",
    "would you call a {x} a mammal, a bird or what",
    "is a {x} a mammal or something else",
    "is a {x} an insect",
    "the animal group of a {x}",
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
    "{x} has what colour", "{x} has which color", "what colour would {x} be", "what colour would you give {x}", "which crayon do I need to draw {x}", "I'm painting {x}, which colour do I take",
    "{x} color", "the usual colour of {x}", "what colour is {x} normally", "the colour of {x}", "in which colour should I paint {x}", "what does {x} look like, the colour I mean",
)  # fmt: skip
_MIX = (
    "what do you get when you mix {a} and {b}", "what colour do {a} and {b} make", "mix {a} and {b}", "which color comes from {a} and {b}", "{a} and {b} make which colour",
    "what is {a} plus {b} in colours", "what happens if I mix {a} with {b}", "{a} mixed with {b} is", "I mix {a} and {b} paint, what colour is it", "combine {a} and {b}",
    "{a} with {b} gives what", "{a} and {b} together are what colour", "mixing {a} and {b} gives", "mixing {a} with {b} makes", "if I put {a} and {b} together what colour comes out", "{a} + {b} in paint",
    "what colour is {a} with {b}", "I blend {a} into {b}, what do I see", "add {a} to {b} and you get what colour", "the mix of {a} and {b}", "which colour do I get from {a} and {b}", "stir {a} into {b}",
    "what is made by mixing {a} and {b}", "when {a} meets {b}, which colour", "{a} paint and {b} paint make",
)  # fmt: skip
_FROM = (
    "where does {x} come from", "what is {x} made of", "what is {x} made from", "how is {x} made", "who makes {x}", "{x} is made of what", "which animal or thing gives us {x}",
    "what do you need to make {x}", "origin of {x}", "from what do we get {x}", "where do we get {x} from", "what animal does {x} come from",
    "{x} comes from what", "{x} comes from where", "{x} is made from what", "who or what gives us {x}", "what gives us {x}", "what is used to make {x}", "what do people make {x} from", "what is in {x}",
    "which animal gives {x}", "what produces {x}", "the source of {x}", "{x}: where is it from", "how do we get {x}", "we get {x} from what", "what does {x} come from",
)  # fmt: skip
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
    "{x} is followed by which {k}", "name the {k} after {x}", "if today is {x}, what comes next", "after {x} comes", "after {x} comes what", "after {x} comes which {k}", "when {x} is over, what comes",
    "which {k} starts when {x} ends", "{x} ends and what begins", "{x}, and then", "what follows {x}", "the next {k} after {x}", "next after {x}", "{x} is over, what {k} is next", "it is {x}, what {k} is next",
    "what {k} will it be after {x}", "{x} then what", "which {k} is next after {x}", "the {k} that follows {x}", "following {x} is which {k}", "once {x} is done, which {k} is it",
)  # fmt: skip
_BEFORE = (
    "which {k} comes before {x}",
    "what {k} is before {x}",
    "what comes before {x}",
    "the {k} before {x}",
    "what is the {k} before {x}",
    "which {k} is just before {x}",
    "name the {k} before {x}",
    "before {x} comes",
    "before {x} comes which {k}",
    "{x} comes after which {k}",
    "{x} follows which {k}",
    "what was the {k} before {x}",
    "the {k} that comes before {x}",
    "it is {x}, what {k} was it before",
)
_WHY = (
    "why {x}", "why {x}", "tell me why {x}", "do you know why {x}", "can you explain why {x}", "please explain why {x}", "explain why {x}", "what is the reason that {x}", "how come {x}", "for what reason {x}",
    "I wonder why {x}", "any idea why {x}", "what makes it that {x}", "do you happen to know why {x}", "why oh why {x}", "what's the reason {x}", "I never understood why {x}", "my kid asks why {x}",
    "how is it that {x}", "what causes it that {x}", "how come that {x}", "nobody could tell me why {x}", "{x}, why", "{x} - why is that", "why would you say {x}", "the reason why {x}",
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
    "here's a question, {x}",
    "answer me this: {x}",
    "{x}, that is what I want to know",
    "school question: {x}",
)


def _facts(
    templates: tuple[str, ...], rows: tuple[tuple[str, str], ...], answer: str, is_literal: bool = False
) -> tuple[Fact, ...]:
    return tuple(Fact(expand(templates, x=x), (capitalized(answer.format(x=x, y=y)),), y, is_literal) for x, y in rows)


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _animal_facts() -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for name, sound, _, legs, kind, emoji in ANIMALS:
        one = f"{_article(name)} {name}"
        if sound:
            facts.append(Fact(expand(_SOUND, x=name), (f"{capitalized(one)} says {sound}. {emoji}",), sound))
            facts.append(Fact(expand(_MAKER, s=sound), (f"That is {one}. {emoji}",), name))
        facts.append(Fact(expand(_LEGS, x=name), (f"{capitalized(one)} has {legs} legs.",), legs))
        facts.append(Fact(expand(_KIND, x=name), (f"{capitalized(one)} is {_article(kind)} {kind}. {emoji}",), kind))
        facts.append(Fact(expand(_EMOJI, x=name), (emoji,), emoji))
    return tuple(facts)


def _mix_facts() -> tuple[Fact, ...]:
    pairs = tuple((first, second, mix) for a, b, mix in MIXES for first, second in ((a, b), (b, a)))
    return tuple(Fact(expand(_MIX, a=a, b=b), (f"{capitalized(a)} and {b} make {mix}.",), mix) for a, b, mix in pairs)


def _order_facts(kind: str, names: tuple[str, ...]) -> tuple[Fact, ...]:
    facts = []
    for here, following in zip(names, names[1:] + names[:1], strict=True):
        facts.append(Fact(expand(_AFTER, k=kind, x=here), (f"{following} comes after {here}.",), following))
        facts.append(
            Fact(
                expand(_BEFORE, k=kind, x=following),
                (f"{here} comes before {following}.",),
                here,
            )
        )
    return tuple(facts)


def _trivia_facts() -> tuple[Fact, ...]:
    return tuple(
        Fact(
            tuple(text for question in questions for text in expand(_ASKED, x=question)),
            (answer,),
            brief,
        )
        for questions, answer, brief in TRIVIA
    )


def _reason_facts() -> tuple[Fact, ...]:
    return tuple(
        Fact(
            tuple(text for question in questions for text in expand(_WHY, x=question)),
            (answer,),
        )
        for questions, answer in REASONS
    )


TRIVIA_FACTS = _trivia_facts()
REASON_FACTS = _reason_facts()
_OPPOSITE_FACTS = _facts(_OPPOSITE, OPPOSITES, "the opposite of {x} is {y}.", is_literal=True)
_PLURAL_FACTS = _facts(_PLURAL, PLURALS, "the plural of {x} is {y}.", is_literal=True)
_COLOUR_FACTS = _facts(_COLOUR, COLOURS, "{x} is {y}.")
_BABIES = tuple((name, baby) for name, _, baby, _, _, _ in ANIMALS)
_BABY_FACTS = tuple(
    Fact(expand(_BABY, x=name), (f"A baby {name} is called {_article(baby)} {baby}.",), baby) for name, baby in _BABIES
)
# Questions that can be asked again for another thing: "and of wet?"
_SERIES = tuple(
    tuple(zip((row[0] for row in rows), facts, strict=True))
    for rows, facts in (
        (OPPOSITES, _OPPOSITE_FACTS), (PLURALS, _PLURAL_FACTS), (COLOURS, _COLOUR_FACTS), (_BABIES, _BABY_FACTS),
    )
)  # fmt: skip
SMALL_FACTS: tuple[tuple[Fact, ...], ...] = (
    _OPPOSITE_FACTS,
    _PLURAL_FACTS,
    _COLOUR_FACTS,
    _BABY_FACTS,
    _facts(_FROM, FOODS, "{x} comes from {y}."),
    _facts(_STAND_FOR, ABBREVIATIONS, "{x} stands for {y}."),
    _animal_facts(),
    _animal_facts(),
    _mix_facts(),
    _order_facts("day", _DAYS),
    _order_facts("month", _MONTHS),
)


def draw_small_fact(rng: random.Random) -> list[Turn]:
    """An opposite, a plural, a colour, an animal, a day."""
    return [rng.choice(rng.choice(SMALL_FACTS)).turn(rng)]


def draw_small_series(rng: random.Random) -> list[Turn]:
    """The same small question for several words, asked in full only once."""
    (_, first), *others = rng.sample(rng.choice(_SERIES), rng.choice((2, 2, 3)))
    turns = [first.turn(rng)]
    for subject, fact in others:
        turns.append(Turn(asked(rng, rng.choice(NEXT_SAME).format(x=subject)), fact.answers[0], fact.brief))
    return turns


def draw_trivia(rng: random.Random) -> list[Turn]:
    """Something that one learns at school."""
    return [rng.choice(TRIVIA_FACTS).turn(rng)]


def draw_reason(rng: random.Random) -> list[Turn]:
    """A question that begins with why."""
    return [rng.choice(REASON_FACTS).turn(rng)]
