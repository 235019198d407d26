"""Changes to a token file."""

import stat
import subprocess
import sys

import pytest

from accounts.editing import add_token, line_of, make_token, revoke_tokens
from accounts.token_file import TokenFileError, read_token_file
from tests.support.repository import ROOT


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_random_and_its_line_finds_it():
    (secret, line), (other, _) = make_token("acc", "laptop"), make_token("acc", "laptop")
    assert secret != other
    assert len(secret) == 43
    assert line == line_of(secret, "acc", "laptop")


def test_the_first_token_makes_a_file_for_its_owner_only(tmp_path):
    line = line_of("right", "acc", "laptop")
    add_token(tmp_path / "tokens", line)
    assert mode(tmp_path / "tokens") == 0o600
    assert read_token_file(tmp_path / "tokens") == (line,)
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_what_stands_in_a_file_stays_its_mode_and_links_too(tmp_path):
    path, link = tmp_path / "tokens", tmp_path / "link"
    path.write_text(f"# who\n{line_of('one', 'acc', 'desk')}")
    path.chmod(0o640)
    link.symlink_to(path)
    add_token(link, line_of("two", "acc", "laptop"))
    assert path.read_text() == f"# who\n{line_of('one', 'acc', 'desk')}\n{line_of('two', 'acc', 'laptop')}\n"
    assert (mode(path), link.is_symlink()) == (0o640, True)
    assert revoke_tokens(link, lambda token: token.name == "desk") == [line_of("one", "acc", "desk")]
    assert path.read_text() == f"# who\n{line_of('two', 'acc', 'laptop')}\n"
    assert (mode(path), link.is_symlink()) == (0o640, True)


def test_a_name_is_an_accounts_only_once(tmp_path):
    add_token(tmp_path / "tokens", line_of("one", "acc", "laptop"))
    add_token(tmp_path / "tokens", line_of("two", "other", "laptop"))
    with pytest.raises(TokenFileError, match="has a token 'laptop' of acc: revoke it, or give another name"):
        add_token(tmp_path / "tokens", line_of("three", "acc", "laptop"))


def test_a_wrong_file_is_left_as_it_is(tmp_path):
    (tmp_path / "tokens").write_text("acc\n")
    for change in (lambda path: add_token(path, line_of("one", "a", "b")), lambda path: revoke_tokens(path, bool)):
        with pytest.raises(TokenFileError, match="line 1"):
            change(tmp_path / "tokens")
    assert (tmp_path / "tokens").read_text() == "acc\n"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TokenFileError, match="can't be written: No such file or directory"):
        add_token(tmp_path / "none" / "tokens", line_of("one", "a", "b"))


@pytest.mark.parametrize(
    ("secret", "account", "name", "words"),
    [
        ("", "acc", "name", "a token has 1 to 1024 characters, and this has 0"),
        ("x" * 1025, "acc", "name", "this has 1025"),
        ("x", "#acc", "name", "does not begin with #"),
        ("x", "a/b", "name", "an account is 1 to 128"),
        ("x", "..", "name", "an account is 1 to 128"),
        ("x", "acc", "", "a name has 1 to 128"),
        ("x", "acc", "two\nlines", "a name has 1 to 128"),
        ("x", "acc", "expires=never", "a name may not begin with a word like expires=never"),
    ],
)
def test_what_no_line_can_hold_is_refused(secret, account, name, words):
    with pytest.raises(ValueError, match=words):
        line_of(secret, account, name)


def test_several_that_write_at_the_same_time_lose_nothing(tmp_path):
    program = (
        "import sys; from pathlib import Path; from accounts.editing import add_token, line_of\n"
        "for number in range(20): add_token(Path(sys.argv[1]), line_of('x', sys.argv[2], str(number)))"
    )
    arguments = [[sys.executable, "-c", program, tmp_path / "tokens", account] for account in "abc"]
    writers = [subprocess.Popen(each, cwd=ROOT) for each in arguments]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(read_token_file(tmp_path / "tokens")) == 60
