"""Jokes, stories, riddles and poems, and asking for more of them."""

import random

from demo.corpus_turns import Turn, asked, capitalized
from demo.data_jokes import FUN_FACTS, HAIKUS, JOKES, NO_JOKE, POEMS, RIDDLES
from demo.data_stories import HELPERS, HEROES, HOMES, MORALS, NAMES, SAYINGS, TRAITS, TROUBLES, WISHES
from demo.data_unknown import NOUNS

_JOKE = (
    "tell me a joke", "tell a joke", "tell me a funny joke", "do you know a joke", "do you know any jokes", "a joke please", "joke", "can you tell me a joke", "make me laugh", "say something funny",
    "give me a joke", "I want to hear a joke", "tell us a joke", "let me hear a joke", "something funny", "I need a laugh", "do you have a joke", "crack a joke", "what is your best joke",
    "tell me your favourite joke", "tell me a short joke", "be funny", "tell me a good joke", "jokes", "could you tell a joke", "I'd like to hear a joke", "are you funny", "entertain me",
)  # fmt: skip
_JOKE_ABOUT = (
    "tell me a joke about {x}", "a joke about {x}", "tell me a joke on {x}", "do you know a joke about {x}", "joke about {x}", "make a joke about {x}", "can you tell me a joke about {x}",
    "tell me a {x} joke", "give me a joke about {x}", "tell me something funny about {x}", "I want to hear a joke about {x}", "say something funny about {x}", "{x} joke", "do you have a joke about {x}",
    "tell a joke about {x}", "another joke about {x}", "tell me another joke about {x}", "I need a joke about {x}", "be funny about {x}", "any joke about {x}", "know any jokes about {x}",
    "write a joke about {x}", "write me a funny joke about {x}", "I'd love a joke about {x}", "please joke about {x}", "let me hear a joke about {x}",
)  # fmt: skip
_MORE = (
    "another one", "another", "one more", "tell me another", "tell me another one", "more", "again", "next", "a different one", "one more please", "and another", "do you know more", "give me another one",
    "haha, another one", "that was good, one more", "not funny, another one", "more please", "and one more", "do you have another", "haha one more", "try another one", "can you tell me another one",
    "please go on", "keep going", "I want more", "lol more",
)  # fmt: skip
_WHY_FUNNY = (
    "I don't get it",
    "why is that funny",
    "that is not funny",
    "explain the joke",
    "I don't understand the joke",
    "not funny",
    "what does that mean",
    "bad joke",
    "that was bad",
)
_NOT_FUNNY = (
    "It plays with words. I admit that my jokes are small, like me. 😅",
    "A joke that needs an explanation was not a good one. 😅 Shall I tell you another?",
)
_STORY = (
    "tell me a story", "tell a story", "tell me a short story", "can you tell me a story", "I want to hear a story", "a story please", "story", "write a story", "write me a story", "write a short story",
    "give me a story", "do you know a story", "tell me a bedtime story", "tell me a nice story", "tell us a story", "tell me a fairy tale", "make up a story", "invent a story", "read me a story",
    "I would like a story", "let me hear a story", "tell my daughter a story", "my son wants a story", "tell me something before I sleep", "a bedtime story please", "do you have a story for me",
    "once upon a time", "please tell a story to us", "tell me any story", "tell me a tale", "create a little story",
)  # fmt: skip
_STORY_ABOUT = (
    "tell me a story about a {x}", "a story about a {x}", "write a story about a {x}", "tell me a story with a {x}", "can you tell me a story about a {x}", "story about a {x}", "make up a story about a {x}",
    "write me a short story about a {x}", "I want a story about a {x}", "a short story about a {x} please", "do you know a story about a {x}", "tell me a bedtime story about a {x}", "give me a story about a {x}",
    "invent a story about a {x}", "tell me a tale of a {x}", "tell me about a {x} in a story", "I'd like a story with a {x} in it", "tell me the story of a {x}", "write a tale about a {x}",
)  # fmt: skip
_WHO = (
    "who helped",
    "what was the name again",
    "who was it about",
    "what was the name of the hero",
    "who was the story about",
    "what was the hero called",
    "what was the main character called",
)
_RIDDLE = (
    "tell me a riddle",
    "do you know a riddle",
    "a riddle please",
    "riddle",
    "ask me a riddle",
    "give me a riddle",
    "riddle me something",
    "another riddle",
    "let's do riddles",
)
_GIVE_UP = (
    "I don't know",
    "what is it",
    "I give up",
    "tell me the answer",
    "no idea",
    "what is the answer",
    "the answer please",
    "what",
    "solve it",
    "and the answer",
    "please tell me",
    "hmm, no clue",
)
_FUN_FACT = (
    "tell me a fun fact", "fun fact", "tell me something interesting", "tell me a fact", "do you know a fun fact", "surprise me", "tell me something", "tell me something I don't know", "give me a fun fact",
    "say something interesting", "I'm bored, tell me something", "teach me something", "random fact", "an interesting fact please", "say something", "tell me anything",
)  # fmt: skip
_POEM = (
    "write a poem",
    "tell me a poem",
    "write me a poem",
    "a poem please",
    "can you write a poem",
    "poem",
    "do you know a poem",
    "write a short poem",
    "give me a poem",
    "recite a poem",
    "say a poem",
    "make a rhyme",
)
_POEM_ABOUT = (
    "write a poem about {x}",
    "a poem about {x}",
    "tell me a poem about {x}",
    "can you write a poem about {x}",
    "poem about {x}",
    "write me a short poem about {x}",
    "give me a poem about {x}",
    "make a rhyme about {x}",
)
_HAIKU = (
    "write a haiku",
    "tell me a haiku",
    "a haiku please",
    "haiku",
    "can you write a haiku",
    "give me a haiku",
    "do you know a haiku",
    "write me a haiku",
)
_UNKNOWN_TOPICS = (
    *NOUNS,
    "taxes",
    "lawyers",
    "my boss",
    "politics",
    "birds of prey",
    "history",
    "spoons",
    "kings",
    "chess",
    "philosophy",
    "carpets",
    "the king",
    "opera",
    "marketing",
    "hats",
    "rocks",
)

CLOUDFLARE_JOKES = tuple(joke for topics, joke in JOKES if "cloudflare" in topics)
_TOPICS = sorted({topic for topics, _ in JOKES for topic in topics} - {"cloudflare"})
_BY_TOPIC = {topic: tuple(joke for topics, joke in JOKES if topic in topics) for topic in _TOPICS}
_ALL_JOKES = tuple(joke for _, joke in JOKES)


def _joke_turn(rng: random.Random) -> Turn:
    draw = rng.random()
    if draw < 0.45:
        return Turn(asked(rng, rng.choice(_JOKE), mark="."), rng.choice(_ALL_JOKES))
    if draw < 0.88:
        topic = rng.choice(_TOPICS)
        return Turn(
            asked(rng, rng.choice(_JOKE_ABOUT).format(x=topic), mark="."),
            rng.choice(_BY_TOPIC[topic]),
        )
    topic = rng.choice(_UNKNOWN_TOPICS)
    return Turn(
        asked(rng, rng.choice(_JOKE_ABOUT).format(x=topic), mark="."), rng.choice(NO_JOKE) + rng.choice(_ALL_JOKES)
    )


def _after_joke(rng: random.Random) -> Turn:
    if rng.random() < 0.8:
        return Turn(asked(rng, rng.choice(_MORE), mark="."), rng.choice(_ALL_JOKES))
    return Turn(asked(rng, rng.choice(_WHY_FUNNY), mark="."), rng.choice(_NOT_FUNNY))


def draw_joke(rng: random.Random) -> list[Turn]:
    """A joke, about anything or about a topic, and sometimes more of them."""
    turns = [_joke_turn(rng)]
    while len(turns) < 4 and rng.random() < 0.4:
        turns.append(_after_joke(rng))
    return turns


def draw_cloudflare_joke(rng: random.Random) -> list[Turn]:
    """A joke about Cloudflare, as in Cloudflare's own example."""
    question = asked(
        rng,
        rng.choice(_JOKE_ABOUT).format(x=rng.choice(("cloudflare", "Cloudflare", "cloudflare"))),
        mark="",
    )
    turns = [Turn(question, rng.choice(CLOUDFLARE_JOKES))]
    if rng.random() < 0.3:
        turns.append(_after_joke(rng))
    return turns


def _opening(rng: random.Random, who: str, name: str, home: str) -> str:
    return rng.choice((
        f"Once upon a time, a {who} named {name} lived {home}.",
        f"Once there was a {who} named {name}, who lived {home}.",
        f"Long ago, there was a {who} called {name}, who lived {home}.",
    ))  # fmt: skip


def _middle(rng: random.Random, name: str, helper: str) -> str:
    trouble, saying = rng.choice(TROUBLES), rng.choice(SAYINGS)
    return rng.choice((
        f"One day {name} set out, but {trouble}. Then {helper} came along and said: “{saying}.”",
        f"One morning {name} packed a bag and left. On the way {trouble}, and {name} sat down and nearly cried. “{saying},” said {helper}.",
        f"{capitalized(helper)} told {name}: “{saying}.” So {name} went on, even when {trouble}.",
    ))  # fmt: skip


def story(rng: random.Random, hero: str | None = None) -> tuple[str, str, str]:
    """A short story, the name of its hero, and the helper."""
    kind, emoji = rng.choice(HEROES) if hero is None else next(row for row in HEROES if row[0] == hero)
    name, helper = rng.choice(NAMES), rng.choice(HELPERS)
    trait = rng.choice([trait for trait in TRAITS if trait not in ("old", "young") or kind not in ("girl", "boy")])
    wish, ending = rng.choice(WISHES)
    parts = [
        _opening(rng, f"{trait} {kind}", name, rng.choice(HOMES)),
        f"More than anything else, {name} wanted {wish}.",
        _middle(rng, name, helper),
        f"{rng.choice(('Together they did it', f'In the end {name} did it', 'And in the end it worked'))}, {ending}.",
        f"{rng.choice(MORALS)} {emoji}",
    ]
    return " ".join(parts), name, helper


def draw_story(rng: random.Random) -> list[Turn]:
    """A story, about anything or about somebody, and sometimes a question about it."""
    hero = rng.choice(HEROES)[0] if rng.random() < 0.5 else None
    question = rng.choice(_STORY) if hero is None else rng.choice(_STORY_ABOUT).format(x=hero)
    text, name, helper = story(rng, hero)
    turns = [Turn(asked(rng, question, mark="."), text)]
    draw = rng.random()
    if draw < 0.15:
        turns.append(Turn(asked(rng, rng.choice(_MORE), mark="."), story(rng)[0]))
    elif draw < 0.4:
        who = rng.choice(_WHO)
        answer = f"{capitalized(helper)} helped {name}." if who == "who helped" else f"The story was about {name}."
        turns.append(Turn(asked(rng, who), answer))
    return turns


def draw_riddle(rng: random.Random) -> list[Turn]:
    """A riddle and its answer."""
    riddle, answer = rng.choice(RIDDLES)
    return [
        Turn(asked(rng, rng.choice(_RIDDLE), mark="."), riddle),
        Turn(asked(rng, rng.choice(_GIVE_UP), mark="."), answer),
    ]


def draw_fun_fact(rng: random.Random) -> list[Turn]:
    """Something curious."""
    turns = [Turn(asked(rng, rng.choice(_FUN_FACT), mark="."), rng.choice(FUN_FACTS))]
    if rng.random() < 0.3:
        turns.append(Turn(asked(rng, rng.choice(_MORE), mark="."), rng.choice(FUN_FACTS)))
    return turns


def draw_poem(rng: random.Random) -> list[Turn]:
    """A poem or a haiku."""
    draw = rng.random()
    if draw < 0.3:
        return [Turn(asked(rng, rng.choice(_HAIKU), mark="."), rng.choice(HAIKUS))]
    topic = rng.choice(list(POEMS))
    question = rng.choice(_POEM) if draw < 0.6 else rng.choice(_POEM_ABOUT).format(x=topic)
    return [Turn(asked(rng, question, mark="."), POEMS[topic])]
