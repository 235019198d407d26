"""Small sums and how people ask for them."""

import random
from collections.abc import Callable

from service.demo.corpus_turns import Turn, asked, capitalized

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip

_ASK = (
    "what is {e}", "what's {e}", "whats {e}", "{e}", "{e}", "{e} =", "calculate {e}", "compute {e}", "how much is {e}", "what does {e} equal", "solve {e}", "{e} is",
    "can you calculate {e}", "tell me what {e} is", "what do you get for {e}", "what is the result of {e}", "work out {e}", "{e} equals", "do you know what {e} is",
    "how much would {e} be", "please compute {e}", "help me with {e}", "I need to know {e}", "what would {e} be", "is it true that you know {e}", "answer this: {e}",
    "can you do {e}", "{e} makes", "the answer to {e}", "{e} is how much", "{e} is what", "give me {e}", "my homework says {e}", "and {e}", "how many are {e}",
)  # fmt: skip
_PLUS = (
    "{a} + {b}", "{a}+{b}", "{a} plus {b}", "{a} and {b} together", "the sum of {a} and {b}", "{a} added to {b}", "{a} + {b}", "{a} plus {b}", "{a} more than {b}",
)  # fmt: skip
_PLUS_ASK = (
    "add {a} and {b}", "add {b} to {a}", "sum {a} and {b}", "what is the sum of {a} and {b}", "I have {a} {n} and buy {b} more, how many {n} do I have",
    "there are {a} {n} and then {b} more come, how many are there", "Tom has {a} {n} and Mia has {b}, how many {n} do they have together", "put {a} and {b} together",
    "increase {a} by {b}", "count {a} and {b} together",
)  # fmt: skip
_MINUS = (
    "{a} - {b}",
    "{a}-{b}",
    "{a} minus {b}",
    "the difference between {a} and {b}",
    "{a} less {b}",
    "{a} - {b}",
    "{a} minus {b}",
)
_MINUS_ASK = (
    "subtract {b} from {a}", "take {b} from {a}", "I have {a} {n} and lose {b}, how many {n} are left", "what is left when you take {b} away from {a}",
    "there are {a} {n} and {b} go away, how many are left", "I had {a} {n} and ate {b}, how many remain", "reduce {a} by {b}", "remove {b} from {a}", "how much is left of {a} without {b}",
)  # fmt: skip
_TIMES = (
    "{a} * {b}",
    "{a} x {b}",
    "{a}*{b}",
    "{a}x{b}",
    "{a} times {b}",
    "{a} multiplied by {b}",
    "{a} × {b}",
    "{a} times {b}",
    "the product of {a} and {b}",
)
_TIMES_ASK = (
    "multiply {a} by {b}", "multiply {a} and {b}", "{a} boxes with {b} {n} each, how many {n}", "what is the product of {a} and {b}", "I buy {a} bags with {b} {n} in each, how many {n} is that",
    "how many {n} are {a} times {b} {n}",
)  # fmt: skip
_OVER = ("{a} / {b}", "{a}/{b}", "{a} divided by {b}", "{a} ÷ {b}", "{a} over {b}", "{a} divided by {b}")
_OVER_ASK = (
    "divide {a} by {b}", "how often does {b} go into {a}", "share {a} {n} among {b} people, how many does each get", "{a} {n} for {b} children, how many each", "what is a {b}th of {a}",
)  # fmt: skip
_THINGS = (
    "apples",
    "pears",
    "eggs",
    "books",
    "coins",
    "oranges",
    "cakes",
    "balls",
    "pens",
    "stones",
    "cookies",
    "cards",
)
_NEXT = {
    "+": ("plus {b}", "and plus {b}", "add {b}", "add {b} more", "and {b} more", "now plus {b}", "and if I add {b}", "then add {b} to it", "+ {b}", "what if I add {b}"),
    "-": ("minus {b}", "and minus {b}", "subtract {b}", "take away {b}", "now minus {b}", "and if I take away {b}", "then subtract {b}", "- {b}", "less {b}"),
    "×": ("times {b}", "and times {b}", "multiply that by {b}", "now times {b}", "x {b}", "then multiply it by {b}", "and multiplied by {b}"),
}  # fmt: skip

_Sum = tuple[int, str, int, int]


def _spelled(rng: random.Random, number: int) -> str:
    return NUMBER_WORDS[number] if number <= 20 and rng.random() < 0.18 else str(number)


def _plus(rng: random.Random) -> _Sum:
    most = rng.choice((9, 9, 10, 20, 20, 30))
    a, b = rng.randint(0, most), rng.randint(0, most)
    return a, "+", b, a + b


def _minus(rng: random.Random) -> _Sum:
    most = rng.choice((10, 10, 20, 20, 30))
    a, b = sorted((rng.randint(0, most), rng.randint(0, most)), reverse=True)
    return a, "-", b, a - b


def _times(rng: random.Random) -> _Sum:
    most = rng.choice((5, 10, 10, 12))
    a, b = rng.randint(0, most), rng.randint(0, most)
    return a, "×", b, a * b


def _over(rng: random.Random) -> _Sum:
    b, result = rng.randint(1, 10), rng.randint(1, 10)
    return b * result, "/", b, result


_FORMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "+": (_PLUS, _PLUS_ASK), "-": (_MINUS, _MINUS_ASK), "×": (_TIMES, _TIMES_ASK), "/": (_OVER, _OVER_ASK),
}  # fmt: skip
_KINDS: tuple[Callable[[random.Random], _Sum], ...] = (_plus, _plus, _plus, _minus, _minus, _times, _times, _over)


def _question(rng: random.Random, a: int, sign: str, b: int) -> str:
    expressions, requests = _FORMS[sign]
    slots = {"a": _spelled(rng, a), "b": _spelled(rng, b), "n": rng.choice(_THINGS)}
    if rng.random() < 0.3:
        return rng.choice(requests).format(**slots)
    return rng.choice(_ASK).format(e=rng.choice(expressions).format(**slots))


def _stated(a: int, sign: str, b: int, result: int) -> str:
    return f"{a} {sign} {b} = {result}."


def draw_sum(rng: random.Random) -> list[Turn]:
    """A sum of small numbers, sometimes gone on with."""
    a, sign, b, result = rng.choice(_KINDS)(rng)
    question = asked(rng, _question(rng, a, sign, b))
    turns = [Turn(question, _stated(a, sign, b, result), str(result))]
    if rng.random() < 0.2:
        turns.append(_next_turn(rng, result))
    return turns


def _next_turn(rng: random.Random, before: int) -> Turn:
    sign = rng.choice("++-×") if before <= 10 else rng.choice("++-")
    b = rng.randint(1, min(10, before)) if sign == "-" and before > 0 else rng.randint(1, 10)
    if sign == "-" and b > before:
        sign = "+"
    result = {"+": before + b, "-": before - b, "×": before * b}[sign]
    return Turn(
        asked(rng, rng.choice(_NEXT[sign]).format(b=_spelled(rng, b))), _stated(before, sign, b, result), str(result)
    )


_COUNT = (
    "count to {n}",
    "can you count to {n}",
    "please count to {n}",
    "count from 1 to {n}",
    "count up to {n}",
    "count from one to {n}",
    "let's count to {n}",
)


def draw_count(rng: random.Random) -> list[Turn]:
    """Counting up to at most twenty."""
    most = rng.randint(3, 20)
    numbers = ", ".join(str(number) for number in range(1, most + 1))
    return [Turn(asked(rng, rng.choice(_COUNT).format(n=_spelled(rng, most)), mark="."), f"{numbers}.")]


_LARGER = (
    "what is larger, {a} or {b}",
    "which is bigger, {a} or {b}",
    "which number is larger, {a} or {b}",
    "is {a} larger than {b}",
    "is {a} more than {b}",
    "what is more, {a} or {b}",
)


def draw_larger(rng: random.Random) -> list[Turn]:
    """Which of two numbers is larger."""
    a, b = rng.sample(range(100), 2)
    template = rng.choice(_LARGER)
    verdict = "" if " or " in template else ("yes, " if a > b else "no, ")
    answer = capitalized(f"{verdict}{max(a, b)} is larger than {min(a, b)}.")
    return [Turn(asked(rng, template.format(a=a, b=b)), answer, str(max(a, b)))]
