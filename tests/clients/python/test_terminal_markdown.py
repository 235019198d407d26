"""Where an answer in Markdown may be cut into blocks that stay on the screen."""

import pytest
from runstream.terminal.markdown import num_finished


@pytest.mark.parametrize(
    ("finished", "rest"),
    [
        ("", "one paragraph\nof two lines\n\n"),
        ("a paragraph\n\n", "the next"),
        ("one\n\ntwo\n\n", "three"),
        ("", "- an item\n\n- another\n\n  with more"),
        ("1. an item\n\n2. another\n\n", "after the list"),
        ("", "```\ncode\n\nmore code\n"),
        ("```\ncode\n\n~~~\n```\n\n", "after the code"),
        ("", "````\n```\n\nnot the end\n"),
        ("# Title\n", "text\n"),
        ("", "<pre>\n\nstill as it is"),
        ("> a quote\n\n", "| a |\n|---|\n"),
        ("", "a paragraph\n***"),
        ("a paragraph\n", "***\n"),
        ("", "1. one\n\n2"),
    ],
)
def test_a_block_is_finished_once_another_begins(finished, rest):
    assert num_finished(finished + rest) == len(finished)
