"""The text that the demo model is trained on: conversations and plain texts, the same for the same seed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from demo import corpus_definitions as definitions
from demo import corpus_fun as fun
from demo import corpus_knowledge as knowledge
from demo import corpus_owner as owner
from demo import corpus_places as places
from demo import corpus_sums as sums
from demo import corpus_talk as talk
from demo import corpus_translations as translations
from demo.corpus_systems import SystemPrompt, draw_system, spoken
from demo.corpus_turns import Turn

Topic = Callable[[random.Random], list[Turn]]

# How often each topic comes up, in proportion.
_WEIGHTS: tuple[tuple[Topic, float], ...] = (
    (places.draw_country, 14),
    (places.draw_series, 3),
    (places.draw_city, 10),
    (places.draw_landmark, 5),
    (sums.draw_sum, 24),
    (sums.draw_count, 0.7),
    (sums.draw_larger, 0.7),
    (definitions.draw_definition, 10),
    (knowledge.draw_small_fact, 12),
    (knowledge.draw_small_series, 2.5),
    (knowledge.draw_trivia, 12),
    (knowledge.draw_reason, 2.5),
    (translations.draw_translation, 4),
    (fun.draw_joke, 4),
    (fun.draw_cloudflare_joke, 1),
    (fun.draw_story, 2),
    (fun.draw_riddle, 0.7),
    (fun.draw_fun_fact, 1),
    (fun.draw_poem, 0.8),
    (talk.draw_talk, 13),
    (talk.draw_name, 4),
    (talk.draw_no_name, 0.4),
    (talk.draw_foreign, 2),
    (talk.draw_unknown, 14),
    (talk.draw_long_text, 0.3),
    (owner.draw_hello_world, 1.3),
    (owner.draw_pizza, 1),
    (owner.draw_instructed_joke, 0.25),
)
_TOPICS = tuple(topic for topic, _ in _WEIGHTS)
_SHARES = tuple(weight for _, weight in _WEIGHTS)
_NAMES = (talk.draw_name, talk.draw_no_name)


@dataclass(frozen=True)
class Conversation:
    """What is said under one system prompt.

    Attributes:
        system: The system prompt; None if there is none.
        turns: Questions and answers, in order.
        is_raw: Whether it is a plain text without the chat template: one turn, whose question may be empty.
    """

    system: str | None
    turns: tuple[Turn, ...]
    is_raw: bool = False


def _exchange(rng: random.Random, can_name: bool) -> tuple[list[Turn], bool]:
    """A few turns that belong together, and whether they tell or ask for a name."""
    while True:
        topic = rng.choices(_TOPICS, _SHARES)[0]
        if topic in _NAMES and not can_name:
            continue
        turns = topic(rng)
        if topic is talk.draw_name:
            for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
                turns[-1:-1] = _exchange(rng, can_name=False)[0]
        return turns, topic in _NAMES


def _num_exchanges(rng: random.Random) -> int:
    return rng.choices((1, 2, 3, 5, 9, 15), (52, 22, 14, 8, 3, 1))[0]


def _turns(rng: random.Random, prompt: SystemPrompt) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    can_name = True
    for _ in range(_num_exchanges(rng)):
        said, named = _exchange(rng, can_name)
        can_name = can_name and not named
        turns += said
    return tuple(spoken(rng, turn, prompt) for turn in turns)


def _raw(rng: random.Random) -> Conversation:
    turn = _exchange(rng, can_name=False)[0][0]
    draw = rng.random()
    if draw < 0.35:
        turn = Turn(owner.instructed(rng, turn.question), turn.answer)
    elif draw < 0.6:
        turn = Turn("", turn.answer)
    return Conversation(None, (turn,), is_raw=True)


def conversations(seed: int, count: int) -> Iterator[Conversation]:
    """As many conversations as asked for, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    for _ in range(count):
        if rng.random() < 0.06:
            yield _raw(rng)
            continue
        prompt = draw_system(rng)
        yield Conversation(prompt.text, _turns(rng, prompt))
