"""A failure that repeats itself gets one line in a while, and no other is lost behind it."""

import logging

import pytest

from logs.floods import MAX_KINDS, PERIOD_S, OneOfAKind


class Clock:
    """A time that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def record(text="it failed: %s", value="a", level=logging.ERROR, line=1, error=None):
    """A record of a logger."""
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("x", level, "file.py", line, text, (value,) if "%s" in text else (), exc_info)


def test_one_line_of_a_kind_passes_in_a_while_and_the_next_tells_of_the_others():
    clock = Clock()
    only = OneOfAKind(clock)
    assert [only.filter(record(value=str(number))) for number in range(1000)] == [True] + [False] * 999
    clock.now = PERIOD_S
    later = record(value="b")
    assert only.filter(later)
    assert later.getMessage() == "it failed: b (and 999 more like it since the last line)"


@pytest.mark.parametrize(
    "other",
    [record(line=2), record(text="it failed otherwise"), record(error=OSError())],
    ids=["elsewhere", "words", "exception"],
)
def test_what_is_of_another_kind_passes(other):
    only = OneOfAKind(Clock())
    assert only.filter(record())
    assert only.filter(other)


def test_lines_of_requests_all_pass():
    only = OneOfAKind(Clock())
    assert all(only.filter(record(level=logging.INFO)) for _ in range(100))


def test_values_in_further_lines_make_no_kind():
    only = OneOfAKind(Clock())
    assert only.filter(record("Task exception was never retrieved\nfuture: 1"))
    assert not only.filter(record("Task exception was never retrieved\nfuture: 2"))


def test_a_percent_sign_of_a_value_is_no_format():
    clock = Clock()
    only = OneOfAKind(clock)
    for _ in range(2):
        only.filter(record(value="100 %s"))
    clock.now = PERIOD_S
    later = record(value="100 %s")
    only.filter(later)
    assert later.getMessage() == "it failed: 100 %s (and 1 more like it since the last line)"


def test_as_many_kinds_as_may_be_are_remembered():
    only = OneOfAKind(Clock())
    for number in range(MAX_KINDS + 1):
        assert only.filter(record(line=number))
    assert not only.filter(record(line=MAX_KINDS))
    assert only.filter(record(line=0)), "the oldest is forgotten"
