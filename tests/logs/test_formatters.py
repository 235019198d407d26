"""How much a log may hold, and the two forms of its lines."""

import json
import logging
import re
import sqlite3
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.clipping import clipped
from logs.formatters import ClippingFormatter, JsonFormatter
from logs.line import Line

CONTROL = {chr(code) for code in (*range(32), *range(0x7F, 0xA0))} - {"\t"}
FORMATTERS = {"text": ClippingFormatter("%(levelname)s %(message)s"), "json": JsonFormatter("service")}
BOTH = pytest.mark.parametrize("form", FORMATTERS)
SECRET = "my-dear-doctor"


def record_of(message, error=None, name="service"):
    """A record, with the traceback of an error."""
    info = None
    if error is not None:
        try:
            raise error
        except type(error):
            info = sys.exc_info()
    return logging.LogRecord(name, logging.ERROR, "", 0, message, None, info)


def formatted(message, error=None, form="text", name="service"):
    """The lines of a record."""
    return FORMATTERS[form].format(record_of(message, error, name))


@given(text=st.text(), limit=st.integers(1, 20))
def test_a_clipped_text_is_its_beginning_and_a_count(text, limit):
    match = re.fullmatch(r"(.*)… and (\d+) characters more", clipped(text, limit), re.DOTALL)
    if len(text) <= limit:
        assert clipped(text, limit) == text
    else:
        assert match is not None
        assert match[1] == text[:limit]
        assert limit + int(match[2]) == len(text)


@pytest.mark.parametrize("length", [1, 66_000, 1_000_000])
@pytest.mark.parametrize("text", ["m", "é", "\n", "\x1b[2J", "\r", "\x00", "\udc80"])
def test_a_record_is_short_however_long_its_message_and_its_error_are(text, length):
    lines = formatted("m" * length, OSError(text * length)).split("\n")
    assert len(lines) < 220
    assert len(lines[0]) < 2_100
    assert all(len(line) < 260 for line in lines[1:])


@given(text=st.text())
def test_an_errors_text_forges_no_record_and_moves_no_cursor(text):
    first, *others = formatted("failed", OSError(text)).split("\n")
    assert first == "ERROR failed"
    assert all(line.startswith("  ") for line in others)
    assert not set("".join(others)) & CONTROL


def test_of_a_long_traceback_the_ends_are_kept():
    lines = formatted("failed", OSError("first\n" + "x\n" * 1000 + "last")).split("\n")
    assert "OSError: first" in "\n".join(lines[:10])
    assert lines[-1] == "  last"
    assert "lines more" in "\n".join(lines)


@BOTH
@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), TypeError(SECRET), Exception(SECRET)])
def test_an_error_that_may_quote_a_request_tells_its_kind_and_place_only(form, error):
    group = ExceptionGroup(SECRET, [error])
    group.__cause__ = ValueError(SECRET)
    for raised in (error, group):
        text = formatted("failed", raised, form)
        assert SECRET not in text
        assert type(error).__name__ in text
        assert "test_formatters.py" in text


@BOTH
@pytest.mark.parametrize("error", [OSError(28, "No space left"), sqlite3.OperationalError("disk I/O error")])
def test_what_the_machine_says_is_told(form, error):
    assert str(error) in formatted("failed", error, form)


def test_a_process_without_texts_tells_every_message():
    text = ClippingFormatter("%(message)s", has_texts=False).format(record_of("failed", ValueError("shape [3, 4]")))
    assert text.endswith("ValueError: shape [3, 4]")


@BOTH
@pytest.mark.parametrize("message", ["Task failed\nfuture: <Task {}>", "Exception in callback call({!r})\nhandle: {}"])
def test_what_asyncio_shows_of_a_task_or_a_callback_is_left_out(form, message):
    text = formatted(message.replace("{}", SECRET).replace("{!r}", SECRET), form=form, name="asyncio")
    assert SECRET not in text
    assert "Task failed" in text or "Exception" in text


@given(text=st.text())
def test_a_line_in_json_is_one_line_with_each_value_by_its_name(text):
    written = formatted(Line("request", id="1", model=text, status=200, duration_s=0.25, error=None), form="json")
    entry = json.loads(written)
    assert "\n" not in written
    assert {name: entry[name] for name in ("message", "id", "model", "status", "duration_s")} == {
        "message": "request",
        "id": "1",
        "status": 200,
        "duration_s": 0.25,
        "model": clipped(text),
    }
    assert "error" not in entry
    assert set(entry) >= {"time", "level", "process", "logger"}


def test_a_line_as_text_quotes_what_could_forge_one():
    line = str(Line("request", id="1", model="x\nERROR forged", status=200, duration_s=0.25, error=None))
    assert line == r"request id='1' model='x\nERROR forged' status=200 duration_s=0.250"


def test_a_traceback_in_json_is_a_value_of_the_line():
    entry = json.loads(formatted("failed", OSError("gone"), form="json"))
    assert entry["message"] == "failed"
    assert entry["traceback"].endswith("OSError: gone")
