"""`python -m bridge token`: what it does with a token file."""

from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner

from accounts.limits import Limits
from accounts.token_file import TokenFile, read_token_file
from accounts.tokens import Token, hash_token
from bridge.__main__ import main
from bridge.token_commands import read_expiry

NOW = datetime(2026, 11, 30, 12, 30, 15, 99, UTC)


@pytest.fixture
def path(tmp_path):
    """Where the token file is."""
    return tmp_path / "tokens"


@pytest.fixture
def token(path):
    """Runs a command of `token` with that file."""

    def run(*arguments, exit_code=0):
        result = CliRunner().invoke(main, ["token", *arguments], env={"RUNSTREAM_BRIDGE_TOKEN_FILE": str(path)})
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


def test_a_new_token_is_printed_once_and_lets_in_at_once(token, path):
    first = token("new", "acc", "the laptop").strip()
    watched = TokenFile(path, look_every_s=0.0)
    second = token("new", "*", "bridge").strip()
    assert watched.find(first) == (Token("acc", hash_token(first), "the laptop"),)
    assert watched.find(second) == (Token("*", hash_token(second), "bridge"),)
    assert first not in path.read_text()


def test_a_token_may_expire_and_have_limits(token, path):
    limits = ["--requests-per-minute", "300", "--tokens-per-minute", "0", "--concurrent-streams", "8"]
    token("new", "acc", "laptop", "--expires", "2126-01-31", *limits)
    (line,) = read_token_file(path)
    assert (line.expires, line.limits) == (datetime(2126, 1, 31, tzinfo=UTC), Limits(300, 0, 8))


def test_the_list_has_no_hashes_and_tells_who_has_expired(token, path):
    expired = datetime(2026, 1, 1, tzinfo=UTC)
    path.write_text(f"{Token('acc', hash_token('old'), 'old', expired, Limits(5))}\n")
    token("new", "acc", "laptop", "--expires", "2126-01-31")
    token("new", "other", "desk")
    assert token("list").splitlines() == [
        "acc\told\texpired 2026-01-01T00:00:00Z\trequests-per-minute=5",
        "acc\tlaptop\texpires 2126-01-31T00:00:00Z\tno limits",
        "other\tdesk\tnever expires\tno limits",
    ]


def test_a_revoked_token_is_unknown_at_once_and_others_stay(token, path):
    secret, other = token("new", "acc", "laptop").strip(), token("new", "acc", "desk").strip()
    watched = TokenFile(path, look_every_s=0.0)
    assert token("revoke", "laptop") == "revoked 'laptop' of acc\n"
    assert (watched.find(secret), len(watched.find(other))) == ((), 1)


def test_of_two_accounts_with_a_name_one_must_be_named(token, path):
    for account in ("acc", "other"):
        token("new", account, "laptop")
    assert "acc, other have a token 'laptop': give --account" in token("revoke", "laptop", exit_code=1)
    assert token("revoke", "laptop", "--account", "other") == "revoked 'laptop' of other\n"
    assert [line.account for line in read_token_file(path)] == ["acc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new", "acc", "name=x"), "a name may not begin with a word like name=x"),
        (("new", "a/b", "name"), "an account is 1 to 128"),
        (("new", "acc", "taken"), "has a token 'taken' of acc"),
        (("revoke", "none"), "has no token 'none'"),
        (("revoke", "taken", "--account", "other"), "has no token 'taken' of other"),
    ],
)
def test_what_can_not_be_done_says_why(token, arguments, words):
    token("new", "acc", "taken")
    assert words in token(*arguments, exit_code=1)


@pytest.mark.parametrize("command", ["list", "revoke"])
def test_a_file_that_is_none_is_told(token, command):
    arguments = ["name"] if command == "revoke" else []
    assert "there is no token file" in token(command, *arguments, exit_code=1)


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("90d", datetime(2027, 2, 28, 12, 30, 15, tzinfo=UTC)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T01:00:00+01:00", datetime(2027, 1, 31, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_days_a_date_or_a_time(text, expires):
    assert read_expiry(text, NOW) == expires


@pytest.mark.parametrize("text", ["", "tomorrow", "90", "-1d", "2027-02-30", "0d", "2026-11-30", "99999999d"])
def test_an_expiry_that_is_none_or_past_is_refused(text):
    with pytest.raises(click.BadParameter, match=r"is none: give days such as 90d|is past"):
        read_expiry(text, NOW)
