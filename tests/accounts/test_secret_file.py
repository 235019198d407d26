"""A file that holds one token."""

import pytest

from accounts.secret_file import read_secret


@pytest.mark.parametrize("content", [b"right", b"right\n", b"\xef\xbb\xbfright\r\n"])
def test_the_token_stands_alone_in_it(tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    assert read_secret(tmp_path / "token") == "right"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n", "is empty: it should hold the token"),
        ("right".encode("utf-16"), "is not UTF-8"),
        (b"right\nwrong\n", "holds more than a token"),
        (b"right wrong", "holds more than a token"),
        ("räight".encode(), "holds more than a token"),
        (b"x" * 1025, "holds more than a token"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_another_file_is_told(tmp_path, content, words):
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_secret(tmp_path / "token")
