"""Bounds and multiples of numbers, said so that llguidance keeps them; 1.9.1 has faults in both.

With an exclusive bound that is whole and another within one of it, it allows the excluded number: 0 for
`{"exclusiveMinimum": 0, "maximum": 0.5}`. Where the upper bound has several digits, a number must have them all: 0.2
does not end below 0.25. It takes multiples by floating point, and refuses those that it does not find: 0.2 between 0.15
and 0.25 by steps of 0.1, and all of steps like 0.07. It does not read bounds beyond 64 bits.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from service.schemas.json_schema import MAX_EXACT, Node, is_number, types

_KEYWORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")

_MAX_LISTED = 256
"""Up to so many multiples are told one by one."""

_MAX_BOUND = 2**53
"""Bounds beyond it are told as this one, or not at all, and left to the check at the end: llguidance rounds them."""

_MAX_STEP = 2**32
_MAX_DIGITS = 9


class _Bound(NamedTuple):
    value: Decimal
    is_exclusive: bool


def told_soundly(schema: Node) -> Node:
    """A normalized schema whose numbers llguidance keeps to, as far as it can."""
    given = {key: schema[key] for key in _KEYWORDS if key in schema}
    allowed = types(schema)
    kinds = {"number", "integer"}.intersection(allowed)
    all_of = schema.get("allOf", [])
    if not given or not all(map(is_number, given.values())) or not isinstance(all_of, list):
        return schema
    rest = {key: value for key, value in schema.items() if key not in (*given, "type")}
    others = [kind for kind in allowed if kind not in kinds]
    if not kinds:
        return {**rest, "type": others}
    options = [{"type": kind, **option} for kind in kinds for option in _options(given, is_whole=kind == "integer")]
    if others:
        options.append({"type": others})
    if len(options) == 1 and not rest.keys() & options[0].keys():
        return {**rest, **options[0]}
    return {**rest, "allOf": [*all_of, {"anyOf": options}]}


def _options(given: Node, *, is_whole: bool) -> Iterator[Node]:
    """Alternatives that together are the numbers that are asked for, or a little fewer."""
    low = _tightest(given, "minimum", "exclusiveMinimum", sign=1)
    high = _tightest(given, "maximum", "exclusiveMaximum", sign=-1)
    if is_whole:
        low, high = _whole(low, sign=1), _whole(high, sign=-1)
    step = Decimal(str(given.get("multipleOf", 0)))
    if _is_empty(low, high) or step < 0:
        # llguidance says what is wrong
        yield {key: value for key, value in given.items() if key != "multipleOf" or step < 0}
    elif step:
        yield _multiples(low, high, step, is_whole=is_whole)
    else:
        yield _range(low, high)
        for end in () if is_whole else _shortened(high, low, sign=1):
            yield _range(low, end)
        for end in () if is_whole else _shortened(low, high, sign=-1):
            yield _range(end, high)


def _tightest(given: Node, inclusive: str, exclusive: str, *, sign: int) -> _Bound | None:
    bounds = [_Bound(Decimal(str(given[key])), key == exclusive) for key in (inclusive, exclusive) if key in given]
    return max(bounds, key=lambda bound: (sign * bound.value, bound.is_exclusive), default=None)


def _whole(bound: _Bound | None, *, sign: int) -> _Bound | None:
    """The bound of whole numbers that is one itself: the upper one for a negative sign."""
    if bound is None:
        return None
    first = sign * _first(sign * Fraction(bound.value), is_exclusive=bound.is_exclusive)
    return _Bound(Decimal(first), is_exclusive=False)


def _is_empty(low: _Bound | None, high: _Bound | None) -> bool:
    if low is None or high is None:
        return False
    return low.value > high.value or (low.value == high.value and (low.is_exclusive or high.is_exclusive))


def _range(low: _Bound | None, high: _Bound | None) -> Node:
    return {**_told(low, "minimum", "exclusiveMinimum", high), **_told(high, "maximum", "exclusiveMaximum", low)}


def _told(bound: _Bound | None, inclusive: str, exclusive: str, other: _Bound | None) -> Node:
    """A bound in keywords: what excludes a whole number is moved off it, if there is room up to the other bound.

    Without room it is not told, and is left to the check at the end.
    """
    if bound is None:
        return {}
    if abs(bound.value) > _MAX_BOUND:
        sign = 1 if inclusive == "minimum" else -1
        return {inclusive: sign * _MAX_BOUND} if sign * bound.value > 0 else {}
    if bound.is_exclusive and bound.value == bound.value.to_integral_value():
        distance = Decimal(1).scaleb(-_MAX_DIGITS)
        room = None if other is None else abs(other.value - bound.value)
        while room is not None and room <= distance and distance > Decimal("1e-15"):
            distance /= 10
        moved = bound.value + (distance if inclusive == "minimum" else -distance)
        if room is not None and room <= distance:
            return {}
        if Decimal(str(float(moved))) == moved:
            return {inclusive: float(moved)}
    return {exclusive if bound.is_exclusive else inclusive: _as_json(bound.value)}


def _shortened(bound: _Bound | None, other: _Bound | None, *, sign: int) -> Iterator[_Bound]:
    """An upper bound above 0 (for a negative sign: a lower one below) with ever fewer digits, while it is one."""
    if bound is None or sign * bound.value <= 0 or abs(bound.value) > _MAX_BOUND:
        return
    num_digits = -int(bound.value.normalize().as_tuple().exponent)
    for digits in range(min(num_digits, _MAX_DIGITS) - 1, 0, -1):
        end = Decimal(math.trunc(bound.value.scaleb(digits))).scaleb(-digits)
        if other is None or sign * end > sign * other.value:
            yield _Bound(end, is_exclusive=False)


def _multiples(low: _Bound | None, high: _Bound | None, step: Decimal, *, is_whole: bool) -> Node:
    exact = Fraction(step)
    step_ = Fraction(exact.numerator) if is_whole else exact  # the least whole number that is a multiple
    first = None if low is None else _first(Fraction(low.value) / step_, is_exclusive=low.is_exclusive)
    last = None if high is None else -_first(-Fraction(high.value) / step_, is_exclusive=high.is_exclusive)
    if first is not None and last is not None and last - first < _MAX_LISTED and _is_exact(first, last, step_):
        return {"enum": [_as_json(step_ * place) for place in range(first, last + 1)]}
    bounds = _range(low, high)
    if not _is_read(step_):
        step_ = Fraction(exact.numerator)  # fewer multiples, but such as are understood
    return {**bounds, "multipleOf": _as_json(step_)} if _is_read(step_) else bounds


def _first(quotient: Fraction, *, is_exclusive: bool) -> int:
    return math.floor(quotient) + 1 if is_exclusive else math.ceil(quotient)


def _is_exact(first: int, last: int, step: Fraction) -> bool:
    """Whether the multiples between two can be written: whole numbers always, others as far as floats go."""
    return step.denominator == 1 or max(abs(first), abs(last)) * step <= MAX_EXACT


def _is_read(step: Fraction) -> bool:
    """Whether llguidance gets the digits of a step right: it multiplies by 10 until nothing is behind the point."""
    if step >= _MAX_STEP:
        return False
    value, digits = float(step), 0
    while value % 1 and value < _MAX_STEP:
        value, digits = value * 10, digits + 1
    return value < _MAX_STEP and Fraction(int(value), 10**digits) == step


def _as_json(value: Decimal | Fraction) -> int | float:
    return int(value) if value == int(value) else float(value)
