"""A token file that changes while it is used."""

import os

import pytest

from accounts.token_file import MAX_FILE_BYTES, MAX_LINES, TokenFile, TokenFileError, read_token_file
from accounts.tokens import Token, hash_token

FIRST, SECOND = Token("acc", hash_token("right"), "laptop"), Token("other", hash_token("others"), "the desk upstairs")


@pytest.fixture
def path(tmp_path):
    """A file with one token."""
    path = tmp_path / "tokens"
    path.write_text(f"{FIRST}\n")
    return path


@pytest.fixture
def watched(path):
    """The file as it is at each look."""
    return TokenFile(path, look_every_s=0.0)


def test_comments_and_empty_lines_are_skipped(path):
    path.write_text(
        f"# who\n\n  {FIRST}\n  # acc {'0' * 64} nobody\n\t#{FIRST}\nother\t{SECOND.sha256}  {SECOND.name}\n"
    )
    assert read_token_file(path) == (FIRST, SECOND)


def test_it_may_begin_with_the_mark_that_windows_writes(path):
    path.write_text(f"{FIRST}\r\n", "utf-8-sig")
    assert read_token_file(path) == (FIRST,)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# who\nacc\n", "tokens, line 2: not an account"),
        (b"secret\n", r"line 1: .*`python -m bridge hash-token '\*' NAME` writes the line of one"),
        ("räight".encode("latin-1"), "is not UTF-8"),
        (b"#" * (MAX_FILE_BYTES + 1), "more than 4194304 bytes"),
        (b"\n" * (MAX_LINES + 1), "has 20001 lines, and may have 20000"),
    ],
)
def test_a_file_that_is_none_says_what_to_change_and_repeats_nothing_of_it(path, content, words):
    path.write_bytes(content)
    with pytest.raises(TokenFileError, match=words) as raised:
        TokenFile(path)
    assert "secret" not in str(raised.value)


def test_a_file_without_tokens_or_none_at_all_is_refused_at_the_start(path, tmp_path):
    path.write_text("# nobody yet\n")
    with pytest.raises(TokenFileError, match="has no token: write one with `python -m bridge token new`"):
        TokenFile(path)
    with pytest.raises(TokenFileError, match="there is no token file"):
        TokenFile(tmp_path / "none")


def test_a_new_line_counts_and_one_that_is_gone_does_not(path, watched, caplog):
    caplog.set_level("INFO")
    path.write_text(f"{FIRST}\n{SECOND}\n")
    assert (watched.find("right"), watched.find("others")) == ((FIRST,), (SECOND,))
    path.write_text(f"{SECOND}\n")
    assert (watched.find("right"), watched.find("others")) == ((), (SECOND,))
    assert caplog.messages == [f"2 tokens are read again from {path}", f"1 tokens are read again from {path}"]


def test_a_file_that_takes_its_place_counts_even_with_its_size_and_time(path, watched):
    before, other = path.stat(), path.with_name("other")
    other.write_text(f"{Token('acc', hash_token('newer'), 'laptop')}\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (len(watched.find("newer")), watched.find("right")) == (1, ())


@pytest.mark.parametrize("content", [b"acc\n", b"\xff\xfe", b"#" * (MAX_FILE_BYTES + 1), None])
def test_a_file_that_can_not_be_used_is_logged_once_and_the_tokens_before_stay(path, watched, caplog, content):
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert [watched.find("right") for _ in range(3)] == [(FIRST,)] * 3
    (message,) = caplog.messages
    assert message.startswith("the tokens before stay in use: ")
    path.write_text(f"{SECOND}\n")
    assert (watched.find("right"), watched.find("others")) == ((), (SECOND,))


def test_a_file_that_has_no_token_any_more_lets_nobody_in(path, watched, caplog):
    path.write_text("# all are revoked\n")
    assert watched.find("right") == ()
    assert caplog.messages == [f"{path} has no token any more: it lets nobody in"]


def test_between_two_looks_the_file_is_not_asked_for(path):
    seldom = TokenFile(path, look_every_s=3600.0)
    path.write_text(f"{SECOND}\n")
    assert (seldom.find("right"), seldom.find("others")) == ((FIRST,), ())


def test_tokens_besides_those_of_the_file_stay(path):
    peer = Token("*", hash_token("shared"), "--token")
    watched = TokenFile(path, [peer], look_every_s=0.0)
    path.write_text(f"{SECOND}\n")
    assert watched.find("shared") == (peer,)
