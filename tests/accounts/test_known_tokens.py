"""Which line of a token counts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.known_tokens import (
    ExpiredTokenError,
    KnownTokens,
    UnknownTokenError,
    WrongAccountError,
    line_for,
    valid_lines,
)
from accounts.tokens import MAX_TOKEN_CHARACTERS, Token, hash_token

NOW = 1_800_000_000.0


def line(account, sent="right", expires=None):
    """A line, whose token expires in a number of seconds."""
    time = None if expires is None else datetime.fromtimestamp(NOW + expires, UTC)
    return Token(account, hash_token(sent), f"{account}'s", time)


def known(*lines):
    return KnownTokens(lines, clock=lambda: NOW)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=20), st.text(max_size=3))
def test_a_token_has_the_lines_of_its_hash_in_their_order_and_no_others(tokens, sent):
    lines = [Token(f"account-{place}", hash_token(token), "name") for place, token in enumerate(tokens)]
    assert known(*lines).find(sent) == tuple(each for each in lines if each.sha256 == hash_token(sent))


def test_the_first_line_counts_where_no_account_is_named():
    tokens = known(line("one"), line("two"))
    assert line_for(tokens, "right", None).account == "one"
    assert line_for(tokens, "right", "two").account == "two"


def test_the_accounts_own_line_counts_before_a_peers():
    tokens = known(line("*"), line("one"))
    assert line_for(tokens, "right", "one").account == "one"
    assert line_for(tokens, "right", "another").account == "*"


@pytest.mark.parametrize(("account", "error"), [(None, UnknownTokenError), ("one", UnknownTokenError)])
def test_an_unknown_token_is_that(account, error):
    with pytest.raises(error):
        line_for(known(line("one")), "wrong", account)


def test_another_accounts_token_is_that():
    with pytest.raises(WrongAccountError):
        line_for(known(line("one"), line("two", "other")), "right", "two")


def test_an_expired_token_says_since_when():
    tokens = known(line("one", expires=0), line("two", expires=-60))
    for account in (None, "one", "another"):
        with pytest.raises(ExpiredTokenError, match="has expired at 2027-01-15T08:00:00Z"):
            line_for(tokens, "right", account)


def test_a_line_that_expired_lets_those_of_other_accounts_be():
    tokens = known(line("one", expires=-1), line("two"))
    assert valid_lines(tokens, "right") == [line("two")]
    assert line_for(tokens, "right", None).account == "two"
    with pytest.raises(ExpiredTokenError):
        line_for(tokens, "right", "one")


def test_what_is_too_long_for_a_token_is_none():
    longest = "x" * MAX_TOKEN_CHARACTERS
    tokens = known(line("one", longest), line("one", longest + "x"))
    assert len(tokens.find(longest)) == 1
    assert tokens.find(longest + "x") == ()
