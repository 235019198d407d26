"""Small talk, names that must be remembered, other languages, and all that the model does not know."""

import random

from demo import data_unknown as unknown
from demo.corpus_definitions import DEFINE
from demo.corpus_phrasing import NOUN_FRAMES, reworded
from demo.corpus_places import CAPITAL, CURRENCY, LANGUAGE, TELL, WHERE, WHICH_COUNTRY
from demo.corpus_turns import Turn, asked, capitalized, put
from demo.data_places import CITIES, COUNTRIES, UNKNOWN_PLACES
from demo.data_stories import NAMES
from demo.data_talk import FOREIGN, FOREIGN_ANSWERS, FOREIGN_UNKNOWN, TALK

# The more ways there are to say it, the more often it is said.
_TOPICS = tuple(TALK)
_TOPIC_SHARES = tuple(len(TALK[topic][0]) for topic in _TOPICS)
_QUESTION_WORDS = ("who", "what", "how", "where", "are", "is", "do", "can", "when", "which", "am")
_MY_NAME = (
    "my name is {n}", "I am {n}", "I'm {n}", "hi, my name is {n}", "hello, I'm {n}", "my name's {n}", "call me {n}", "you can call me {n}", "hello, my name is {n}", "hey, I am {n}", "please call me {n}",
    "I'm called {n}", "this is {n}", "{n} is my name", "let me introduce myself: I am {n}", "hi there, {n} here", "people call me {n}", "good morning, my name is {n}", "remember that my name is {n}",
)  # fmt: skip
_MY_NAME_ANSWER = (
    "Nice to meet you, {n}! How can I help you?",
    "Hello {n}! What would you like to know?",
    "Hi {n}! 🙂 What can I do for you?",
)
_WHAT_NAME = (
    "what is my name", "what's my name", "do you know my name", "do you remember my name", "who am I", "tell me my name", "can you say my name", "what was my name", "say my name", "what did I say my name was",
    "and what is my name", "did I tell you my name", "my name", "how am I called", "what do people call me", "so what is my name", "could you repeat my name", "please tell me what my name is", "what name did I give you",
    "remember my name", "what's my name again", "my name again", "do you recall my name", "who is talking to you", "and my name is", "what did I call myself", "can you remember who I am", "do you still know my name",
    "what am I called", "how did I introduce myself", "what was I called", "do you still remember what my name was", "I told you my name, what was it", "which name did I tell you", "could you say who I am",
    "what name do I have", "how do people call me", "my name please", "by what name do you know me", "you know my name, right", "have you forgotten my name", "tell me who I am", "who did I say I was",
)  # fmt: skip
_NO_NAME = ("I don't know your name yet. What is it?", "I don't know, you have not told me your name.")
_MORE_NAMES = (
    "Alice", "Bob", "Carol", "David", "Eva", "Frank", "Grace", "Hans", "Ines", "Jack", "Kate", "Leo", "Maria", "Nick", "Olga", "Paul", "Quinn", "Rita", "Steve", "Tina", "Uwe", "Vera", "Will", "Xenia", "Yara",
    "Zack", "Anna", "Ben", "Chris", "Daniel", "Emma", "Felix", "George", "Hannah", "Ivan", "Julia", "Kevin", "Laura", "Mark", "Nina", "Oliver", "Peter", "Rachel", "Sarah", "Tobias", "Victor", "Wendy", "John",
    "Michael", "Sophie", "Lucas", "Marie", "Thomas", "Lisa", "Martin", "Jane", "Robert", "Linda", "James", "Ali", "Fatima", "Chen", "Ravi", "Priya", "Kenji", "Mei", "Pedro", "Lucía", "André", "Zoé", "Jürgen", "Åsa",
)  # fmt: skip


def draw_talk(rng: random.Random) -> list[Turn]:
    """A greeting, thanks, or a question about the model itself."""
    questions, answers = TALK[rng.choices(_TOPICS, _TOPIC_SHARES)[0]]
    question = rng.choice(questions)
    mark = "?" if question.split()[0].strip("',").lower() in _QUESTION_WORDS else rng.choice(("", ".", "!"))
    return [Turn(put(rng, question, mark=mark), rng.choice(answers))]


def draw_name(rng: random.Random) -> list[Turn]:
    """Somebody tells a name, and asks for it later."""
    name = rng.choice((*NAMES, *_MORE_NAMES)) if rng.random() < 0.6 else made_up(rng).title()
    shown = name.lower() if rng.random() < 0.2 else name
    told = Turn(
        asked(rng, rng.choice(_MY_NAME), mark="!").replace("{n}", shown).replace("{N}", shown),
        rng.choice(_MY_NAME_ANSWER).format(n=name),
    )
    asks = Turn(put(rng, rng.choice(_WHAT_NAME)), f"Your name is {name}.")
    return [told, asks]


def draw_no_name(rng: random.Random) -> list[Turn]:
    """Somebody asks for a name that was never told."""
    return [Turn(asked(rng, rng.choice(_WHAT_NAME)), rng.choice(_NO_NAME))]


def draw_foreign(rng: random.Random) -> list[Turn]:
    """Courtesies in other languages, and sentences that are too much."""
    if rng.random() < 0.6:
        questions, answer = rng.choice(FOREIGN)
        return [Turn(rng.choice(questions) + rng.choice(("", "", "!", ".", "？", " 🙂")), answer)]
    return [Turn(rng.choice(FOREIGN_UNKNOWN), rng.choice(FOREIGN_ANSWERS))]


def made_up(rng: random.Random) -> str:
    """A name that nobody has heard of."""
    word = "".join(rng.choice(unknown.SYLLABLES) for _ in range(rng.choice((2, 2, 3, 3, 4))))
    return word if rng.random() < 0.25 else capitalized(word)


def almost(rng: random.Random, name: str) -> str:
    """A name that ends like a known one but is none."""
    ending = name.split()[-1]
    return capitalized(rng.choice(unknown.SYLLABLES) + ending[max(1, len(ending) - rng.choice((3, 4, 5))) :].lower())


def _somebody(rng: random.Random) -> str:
    if rng.random() < 0.4:
        return rng.choice(unknown.PEOPLE)
    return made_up(rng) if rng.random() < 0.7 else f"{rng.choice(NAMES)} {made_up(rng).title()}"


def _somewhere(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(UNKNOWN_PLACES)
    if rng.random() < 0.25:
        return almost(rng, rng.choice(COUNTRIES)[0])
    if rng.random() < 0.25:
        return f"the {rng.choice(('village', 'town', 'city', 'island', 'lake', 'river'))} of {made_up(rng).title()}"
    return made_up(rng)


def _slots(rng: random.Random) -> dict[str, str]:
    city, city2 = rng.sample(CITIES, 2)
    chem, chem2 = rng.sample(unknown.CHEMICALS, 2)
    return {
        "x": _somebody(rng), "x2": _somebody(rng), "n": rng.choice(unknown.NOUNS), "city": city[0], "city2": city2[0], "chem": chem, "chem2": chem2,
        "big": str(rng.randint(200, 99999)), "year": str(rng.randint(1200, 2090)), "rel": rng.choice(unknown.RELATIVES), "day": rng.choice(unknown.DAYS), "n2": rng.choice(unknown.NOUNS), "lang": rng.choice(("German", "French", "Chinese", "Finnish", "Latin", "Klingon")),
    }  # fmt: skip


def _unknown_question(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    return reworded(rng, rng.choice(unknown.QUESTIONS).format(**_slots(rng))), unknown.ANSWERS


def _unknown_task(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    opener = rng.choice(
        ("", "", "", "please ", "can you ", "could you ", "I want you to ", "help me to ", "how do I ", "you must ")
    )
    return opener + rng.choice(unknown.TASKS).format(**_slots(rng)), unknown.TASK_ANSWERS


def _unknown_place(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    templates = rng.choice((WHERE, WHERE, CAPITAL, CAPITAL, WHICH_COUNTRY, LANGUAGE, CURRENCY, TELL))
    return reworded(rng, rng.choice(templates).format(x=_somewhere(rng))), unknown.PLACE_ANSWERS


def _unknown_word(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    return reworded(rng, rng.choice(DEFINE).format(x=made_up(rng))), unknown.WORD_ANSWERS


def _unknown_person(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    templates = (
        "who is {x}",
        "who was {x}",
        "who's {x}",
        "do you know {x}",
        "tell me about {x}",
        "who is this {x}",
        "have you heard of {x}",
        "what did {x} do",
        "{x}",
        "what do you know about {x}",
    )
    return rng.choice(templates).format(x=_somebody(rng)), unknown.PERSON_ANSWERS


def _unknown_sum(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    a, b = rng.randint(200, 99999), rng.randint(13, 99999)
    sign = rng.choice(("+", "-", "*", "/", "x", "plus", "minus", "times", "divided by", "to the power of"))
    space = "" if sign in "+-*/x" and rng.random() < 0.4 else " "
    templates = (
        "what is {e}",
        "{e}",
        "calculate {e}",
        "how much is {e}",
        "compute {e}",
        "solve {e}",
        "{e} =",
        "what's {e}",
        "tell me {e}",
        "work out {e}",
        "can you do {e}",
        "what do you get for {e}",
    )
    first, second = rng.sample((a, b), 2)
    frame = rng.choice(NOUN_FRAMES) if rng.random() < 0.3 else rng.choice(templates)
    expression = f"{first}{space}{sign}{space}{second}"
    return frame.format(e=expression, x=expression), unknown.SUM_ANSWERS


def _gibberish(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    letters = "asdfghjklqwertyuiopzxcvbnm"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(rng.randint(1, 4))]
    return " ".join(words), unknown.WORD_ANSWERS


def _long_text(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    words = rng.choices(unknown.RANDOM_WORDS, k=rng.choice((12, 20, 30, 60, 120)))
    pieces = [word + rng.choice(("", "", "", "", "", ",", ".", ";", "\n")) for word in words]
    return " ".join(pieces), unknown.TEXT_ANSWERS


_UNKNOWN = (
    (_unknown_question,) * 5
    + (_unknown_task,) * 3
    + (_unknown_place,) * 4
    + (_unknown_word,) * 2
    + (_unknown_person, _unknown_sum, _gibberish)
)


def draw_unknown(rng: random.Random) -> list[Turn]:
    """A question without an answer."""
    question, answers = rng.choice(_UNKNOWN)(rng)
    return [Turn(asked(rng, question), rng.choice(answers))]


def draw_long_text(rng: random.Random) -> list[Turn]:
    """A long text that asks for nothing."""
    question, answers = _long_text(rng)
    return [Turn(question, rng.choice(answers))]
