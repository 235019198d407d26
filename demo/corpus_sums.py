"""Small sums and how people ask for them."""

import random
from collections.abc import Callable

from demo.corpus_phrasing import NOUN_FRAMES
from demo.corpus_turns import Turn, asked, capitalized

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_ASK = (
    "what is {e}", "what's {e}", "whats {e}", "{e}", "{e}", "{e} =", "calculate {e}", "compute {e}", "how much is {e}", "what does {e} equal", "solve {e}", "{e} is",
    "can you calculate {e}", "tell me what {e} is", "what do you get for {e}", "what is the result of {e}", "work out {e}", "{e} equals", "do you know what {e} is",
    "how much would {e} be", "please compute {e}", "help me with {e}", "I need to know {e}", "what would {e} be", "is it true that you know {e}", "answer this: {e}",
    "can you do {e}", "{e} makes", "the answer to {e}", "{e} is how much", "{e} is what", "give me {e}", "my homework says {e}", "and {e}", "how many are {e}",
    "{e} comes to", "{e} comes to what", "{e} comes out as", "what comes out of {e}", "{e} gives", "{e} gives me", "{e} equals what", "{e} makes what", "what does {e} make", "what does {e} give",
    "what does {e} come to", "I get what for {e}", "the result of {e}", "how much does {e} make", "what number is {e}", "quickly {e}", "find {e}", "{e} please", "if I do {e} what do I get", "{e}, how much",
)  # fmt: skip
_PLUS = (
    "{a} + {b}", "{a}+{b}", "{a} plus {b}", "{a} and {b} together", "the sum of {a} and {b}", "{a} added to {b}", "{a} + {b}", "{a} plus {b}", "{a} more than {b}", "{a} and {b} in total", "{a} and {b} added up", "the total of {a} and {b}", "{a} with {b} added", "{a} and another {b}",
)  # fmt: skip
_PLUS_ASK = (
    "add {a} and {b}", "add {b} to {a}", "sum {a} and {b}", "what is the sum of {a} and {b}", "I have {a} {n} and buy {b} more, how many {n} do I have",
    "there are {a} {n} and then {b} more come, how many are there", "Tom has {a} {n} and Mia has {b}, how many {n} do they have together", "put {a} and {b} together",
    "increase {a} by {b}", "count {a} and {b} together", "add {b} more to {a}", "add up {a} and {b}", "sum up {a} and {b}", "{a} {n} and {b} more {n}, how many is that", "what do {a} and {b} make",
    "I own {a} {n} and get {b} more, how many are mine", "she had {a} {n}, then found {b}, how many now", "{a} {n} on the table and {b} on the floor, how many in all", "what do I get if I add {a} and {b}",
    "how much do {a} and {b} make", "combine {a} with {b}", "{a} {n} plus {b} {n}", "my bag holds {a} {n}, I put in {b} more, how many are inside", "we were {a} people and {b} joined us, how many are we now",
    "yesterday I got {a} {n}, today {b}, how many altogether", "how many {n} are {a} and {b} {n}", "what is {a} when you add {b}",
)  # fmt: skip
_MINUS = (
    "{a} - {b}",
    "{a}-{b}",
    "{a} minus {b}",
    "the difference between {a} and {b}",
    "{a} less {b}",
    "{a} take away {b}",
    "{a} without {b}",
    "{a} reduced by {b}",
    "{b} less than {a}",
    "{b} subtracted from {a}",
    "{b} taken from {a}",
    "the difference of {a} and {b}",
    "{a} - {b}",
    "{a} minus {b}",
)
_MINUS_ASK = (
    "subtract {b} from {a}", "take {b} from {a}", "I have {a} {n} and lose {b}, how many {n} are left", "what is left when you take {b} away from {a}",
    "there are {a} {n} and {b} go away, how many are left", "I had {a} {n} and ate {b}, how many remain", "reduce {a} by {b}", "remove {b} from {a}", "how much is left of {a} without {b}",
    "take away {b} from {a}", "what remains of {a} after I take {b}", "{a} {n}, I give {b} away, how many do I keep", "what do I get when I take {b} from {a}", "what is {b} less than {a}",
    "she had {a} {n} and sold {b}, how many has she now", "from {a} take {b}", "from {a} subtract {b}", "if I take {b} off {a} what remains", "I had {a} {n} but broke {b}, how many are whole",
    "{a} people sat on the bus and {b} got off, how many stayed", "drop {b} from {a}", "what do I have left if I spend {b} of {a} {n}", "how much do I get when I subtract {b} from {a}",
    "I start with {a} and lose {b}, what is left", "how much bigger is {a} than {b}",
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
    "what do I get when I multiply {a} by {b}", "{a} rows of {b} {n}, how many", "{a} friends bring {b} {n} each, how many {n}", "each of {a} children has {b} {n}, how many in all", "multiply {a} with {b}",
    "{a} groups of {b}", "{a} bags of {b} {n}", "{a} lots of {b}", "how much do {a} times {b} make", "work out the product of {a} and {b}",
)  # fmt: skip
_OVER = ("{a} / {b}", "{a}/{b}", "{a} divided by {b}", "{a} ÷ {b}", "{a} over {b}", "{a} divided by {b}")
_OVER_ASK = (
    "divide {a} by {b}", "how often does {b} go into {a}", "share {a} {n} among {b} people, how many does each get", "{a} {n} for {b} children, how many each", "what is a {b}th of {a}",
    "split {a} into {b}", "split {a} {n} between {b} friends, how many each", "cut {a} into {b} equal parts", "how many times does {b} fit into {a}", "{a} shared by {b}", "{a} split by {b}",
    "what do I get when I divide {a} by {b}", "{b} people share {a} {n}, how many does each one get", "if {b} of us share {a} {n}, what is my part", "what is {a} split {b} ways",
    "{a} {n} in {b} equal piles, how many in a pile", "how often is {b} in {a}",
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
    "+": ("plus {b}", "and plus {b}", "add {b}", "add {b} more", "and {b} more", "now plus {b}", "and if I add {b}", "then add {b} to it", "+ {b}", "what if I add {b}", "put {b} on top", "increase that by {b}", "now {b} more", "ok and plus {b}", "and another {b}", "add another {b}", "with {b} added", "what is that plus {b}"),
    "-": ("minus {b}", "and minus {b}", "subtract {b}", "take away {b}", "now minus {b}", "and if I take away {b}", "then subtract {b}", "- {b}", "less {b}", "now take {b} off", "take {b} from that", "ok and minus {b}", "reduce it by {b}", "what is that minus {b}", "subtract {b} from it"),
    "×": ("times {b}", "and times {b}", "multiply that by {b}", "now times {b}", "x {b}", "then multiply it by {b}", "and multiplied by {b}", "what is that times {b}", "now multiply by {b}", "take that times {b}"),
}  # fmt: skip

_Sum = tuple[int, str, int, int]


def _spelled(rng: random.Random, number: int) -> str:
    return spelled(number) if number <= 99 and rng.random() < 0.15 else str(number)


def spelled(number: int) -> str:
    """A number below a hundred in words."""
    if number <= 20:
        return NUMBER_WORDS[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] if ones == 0 else f"{_TENS[tens]}-{NUMBER_WORDS[ones]}"


def _plus(rng: random.Random) -> _Sum:
    most = rng.choice((9, 10, 20, 20, 50, 99))
    a = rng.randint(0, most)
    b = rng.randint(0, min(most, 99 - a))
    a, b = rng.sample((a, b), 2)
    return a, "+", b, a + b


def _minus(rng: random.Random) -> _Sum:
    most = rng.choice((10, 20, 20, 30, 60, 99))
    a, b = sorted((rng.randint(0, most), rng.randint(0, most)), reverse=True)
    return a, "-", b, a - b


def _times(rng: random.Random) -> _Sum:
    most = rng.choice((5, 10, 10, 12))
    a, b = rng.randint(0, most), rng.randint(0, most)
    return a, "×", b, a * b


def _over(rng: random.Random) -> _Sum:
    b, result = rng.randint(1, 12), rng.randint(1, 12)
    return b * result, "/", b, result


_FORMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "+": (_PLUS, _PLUS_ASK), "-": (_MINUS, _MINUS_ASK), "×": (_TIMES, _TIMES_ASK), "/": (_OVER, _OVER_ASK),
}  # fmt: skip
_KINDS: tuple[Callable[[random.Random], _Sum], ...] = (_plus, _plus, _plus, _minus, _minus, _times, _over)


def _question(rng: random.Random, a: int, sign: str, b: int) -> str:
    expressions, requests = _FORMS[sign]
    slots = {"a": _spelled(rng, a), "b": _spelled(rng, b), "n": rng.choice(_THINGS)}
    if rng.random() < 0.4:
        return rng.choice(requests).format(**slots)
    frame = rng.choice(NOUN_FRAMES) if rng.random() < 0.25 else rng.choice(_ASK)
    expression = rng.choice(expressions).format(**slots)
    return frame.format(e=expression, x=expression)


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
