"""The questions of the owner's source documents that no other topic covers, and their prompts without a chat template."""

import random

from demo.corpus_fun import CLOUDFLARE_JOKES
from demo.corpus_turns import Turn, asked, put

_HELLO = (
    "What is the origin of the phrase Hello, World", "what is the origin of the phrase hello world", "where does the phrase Hello, World come from", "where does Hello, World come from",
    "what is the origin of Hello, World", "origin of hello world", "who invented Hello, World", "who wrote the first hello world program", "what is the history of Hello, World", "why Hello, World",
    "what does Hello, World mean", "what is hello world", "tell me about the phrase Hello, World", "explain Hello, World", "where is hello world from", "why do people print Hello, World",
    "who said Hello, World first", "when was Hello, World first used", "how did the phrase Hello, World start", "what is a Hello, World program", "the origin of the words Hello, World",
    "what's the origin of the phrase \"Hello, World\"", "do you know where Hello World comes from", "who was the first to write hello, world", "why do programs print hello world",
    "why is Hello, World famous", "tell me the story behind Hello, World", "how old is Hello, World", "What is the origin of the phrase Hello, World",
)  # fmt: skip
_HELLO_ANSWERS = (
    "The phrase “hello, world” comes from Brian Kernighan at Bell Labs. He used it in a tutorial for the language B in 1972, and in 1978 it became famous through the book “The C Programming Language” by Kernighan and "
    "Dennis Ritchie. Since then, printing Hello, World is the first program that most people write.",
    "“Hello, World” was made popular by Brian Kernighan at Bell Labs in the 1970s. The book “The C Programming Language”, which he wrote with Dennis Ritchie in 1978, begins with a program that prints it. Since then it has "
    "been the first program in almost every language.",
)  # fmt: skip
_PIZZA = (
    "Why is pizza so good", "why is pizza so good", "why is pizza so tasty", "why is pizza so delicious", "why do people love pizza", "why does pizza taste so good", "why is pizza so popular",
    "what makes pizza so good", "how come pizza is so good", "why do I love pizza so much", "why pizza is so good", "why is pizza the best food", "why do we like pizza", "explain why pizza is good",
    "tell me why pizza is so good", "why is pizza great", "what is so good about pizza", "why does everybody eat pizza", "why do children like pizza", "is pizza good", "pizza why so good", "Why is pizza so good",
)  # fmt: skip
_PIZZA_ANSWERS = (
    "Pizza is so good because it has a bit of everything: a crisp crust, sweet and sour tomato sauce, melted cheese and any topping you like. It is warm, and it is easy to share with friends. 🍕",
    "Pizza is so good because crisp crust, tomato sauce and melted cheese go so well together: a little salty, a little sweet and very warm. And everyone can choose their own topping. 🍕",
)
_TOPPINGS = (
    "what is the best topping",
    "which topping is best",
    "what should I put on it",
    "what topping do you like",
    "which pizza is the best",
    "and what is the best pizza",
    "what about pineapple",
)
_TOPPING_ANSWERS = ("Many people like a simple one best: tomato, mozzarella and basil. It is called Margherita. 🌿",)
_WHY = ("why", "but why", "why is that", "and why")
_FIRST_LINE = (
    "who is Brian Kernighan",
    "who was he",
    "who is Kernighan",
    "who is that",
    "tell me about Kernighan",
    "who is Dennis Ritchie",
)
_FIRST_LINE_ANSWERS = (
    "Brian Kernighan is a computer scientist who worked at Bell Labs. With Dennis Ritchie he wrote “The C Programming Language”.",
)


def draw_hello_world(rng: random.Random) -> list[Turn]:
    """The origin of the phrase Hello, World."""
    turns = [Turn(put(rng, rng.choice(_HELLO)), rng.choice(_HELLO_ANSWERS))]
    if rng.random() < 0.25:
        turns.append(Turn(asked(rng, rng.choice(_FIRST_LINE)), rng.choice(_FIRST_LINE_ANSWERS)))
    return turns


def draw_pizza(rng: random.Random) -> list[Turn]:
    """Why pizza is so good."""
    turns = [Turn(put(rng, rng.choice(_PIZZA)), rng.choice(_PIZZA_ANSWERS))]
    if rng.random() < 0.25:
        turns.append(Turn(asked(rng, rng.choice(_TOPPINGS)), rng.choice(_TOPPING_ANSWERS)))
    elif rng.random() < 0.1:
        turns.append(
            Turn(
                asked(rng, rng.choice(_WHY)),
                "Because fat, salt and warmth taste good together, and it reminds people of evenings with friends. 🍕",
            )
        )
    return turns


_INST_ROLES = ("comedian", "comedian", "you are a comedian", "You are a friendly assistant", "assistant")
_INST = (
    "<s>[INST]{r}[/INST]</s>\n[INST]{q}[/INST]",
    "[INST]{r}[/INST]\n[INST]{q}[/INST]",
    "<s>[INST] {q} [/INST]",
    "[INST]{q}[/INST]",
    "[INST] {q} [/INST]",
)


def instructed(rng: random.Random, question: str) -> str:
    """The question in Mistral's own chat format, as Cloudflare's documentation shows it."""
    return rng.choice(_INST).format(r=rng.choice(_INST_ROLES), q=question)


def draw_instructed_joke(rng: random.Random) -> list[Turn]:
    """The documentation's own example of a hand-made template."""
    return [
        Turn("<s>[INST]comedian[/INST]</s>\n[INST]tell me a joke about cloudflare[/INST]", rng.choice(CLOUDFLARE_JOKES))
    ]
