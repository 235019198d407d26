"""How much a log may hold, on both sides: bridge and service each have the rule."""

import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import log_text as bridge_text
from service import log_text as service_text

CONTROL = {chr(code) for code in (*range(32), *range(0x7F, 0xA0))} - {"\t"}
SIDES = pytest.mark.parametrize("side", [bridge_text, service_text], ids=["bridge", "service"])


def formatted(side, message, error=None):
    """The lines of a record, with the traceback of an error."""
    info = None
    if error is not None:
        try:
            raise error
        except type(error):
            info = sys.exc_info()
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "%s", (message,), info)
    return side.ClippingFormatter("%(levelname)s %(message)s").format(record)


@SIDES
@given(text=st.text(), limit=st.integers(1, 20))
def test_a_clipped_text_is_its_beginning_and_a_count(side, text, limit):
    match = re.fullmatch(r"(.*)… and (\d+) characters more", side.clipped(text, limit), re.DOTALL)
    if len(text) <= limit:
        assert side.clipped(text, limit) == text
    else:
        assert match is not None
        assert match[1] == text[:limit]
        assert limit + int(match[2]) == len(text)


@SIDES
@pytest.mark.parametrize("length", [1, 66_000, 1_000_000])
@pytest.mark.parametrize("text", ["m", "é", "\n", "\x1b[2J", "\r", "\x00", "\udc80"])
def test_a_record_is_short_however_long_its_message_and_its_error_are(side, text, length):
    lines = formatted(side, "m" * length, ValueError(text * length)).split("\n")
    assert len(lines) < 220
    assert len(lines[0]) < 2_100
    assert all(len(line) < 260 for line in lines[1:])


@SIDES
@given(text=st.text())
def test_an_errors_text_forges_no_record_and_moves_no_cursor(side, text):
    first, *others = formatted(side, "failed", ValueError(text)).split("\n")
    assert first == "ERROR failed"
    assert all(line.startswith("  ") for line in others)
    assert not set("".join(others)) & CONTROL


@SIDES
def test_of_a_long_traceback_the_ends_are_kept(side):
    lines = formatted(side, "failed", ValueError("first\n" + "x\n" * 1000 + "last")).split("\n")
    assert "ValueError: first" in "\n".join(lines[:10])
    assert lines[-1] == "  last"
    assert "lines more" in "\n".join(lines)
