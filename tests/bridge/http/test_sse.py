"""Events as bytes."""

import pytest

from bridge.http import sse

TEXTS = ["", " token", 'a "quote"\\', "\n\t\u2028\x00", "é😀", "</script>"]


@pytest.mark.parametrize("text", TEXTS)
def test_an_event_by_its_text_is_that_by_its_value(text):
    def value(text):
        return {"id": "x", "choices": [{"delta": {"content": text}}], "é": None}

    assert sse.TextEvents(value).event(text) == sse.event(value(text))
