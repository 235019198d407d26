"""Where the editors say that a text stops being JSON."""

import pytest

from bridge.playground.routes import STATIC


@pytest.fixture(scope="module")
def told(node):
    return node("playground_json.mjs", str(STATIC / "editors"))


def test_a_fault_is_where_a_browser_finds_it(told):
    assert len(told["compared"]) > 500
    for fault in told["compared"]:
        # Of a broken word, number or escape this points at the beginning, and a browser at where it breaks.
        assert 0 <= fault["position"] - fault["offset"] <= len("\\uFFFF"), fault


def test_its_line_is_that_of_its_place(told):
    for fault in told["compared"]:
        assert fault["line"] == fault["text"][: fault["offset"]].count("\n") + 1, fault


def test_what_is_empty_or_too_deep_is_told_as_well(told):
    assert told["deep"] == "this is nested too deeply"
    assert told["empty"] == {"reason": "here a value is expected, not the end", "line": 2, "offset": 3}
