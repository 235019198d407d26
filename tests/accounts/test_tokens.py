"""Lines of a token file."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.limits import MAX_LIMIT, Limits
from accounts.tokens import Token, check_account, check_name, hash_token, read_line, read_time, to_text

SHA256 = hash_token("right")
LIMIT = st.none() | st.integers(0, MAX_LIMIT)


def is_taken(check):
    """A filter for what a check lets pass."""

    def passes(value):
        try:
            check(value)
        except ValueError:
            return False
        return True

    return passes


ACCOUNTS = st.just("*") | st.text(st.characters(codec="ascii"), min_size=1, max_size=128).filter(
    is_taken(check_account)
)
NAMES = st.text(max_size=40).filter(is_taken(check_name))
TIMES = st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0))
TOKENS = st.builds(
    Token, ACCOUNTS, st.binary().map(lambda sent: hash_token(sent.hex())), NAMES, TIMES,
    st.builds(Limits, LIMIT, LIMIT, LIMIT),
)  # fmt: skip


@given(TOKENS)
def test_what_is_written_is_read_as_it_was(token):
    assert read_line(str(token)) == token
    assert len(f"# heading\n{token}\n".splitlines()) == 2
    assert not str(token).startswith("#")


@given(st.text())
def test_what_stands_behind_the_hash_is_refused_in_few_words_or_read_as_it_is_written(rest):
    line = f"acc {SHA256} {rest}".strip()
    if is_taken(read_line)(line):
        assert read_line(str(read_line(line))) == read_line(line)
    else:
        with pytest.raises(ValueError, match=r"^.{1,200}$"):
            read_line(line)


def test_a_line_without_keys_is_one():
    assert read_line(f"acc {SHA256}  the desk upstairs") == Token("acc", SHA256, "the desk upstairs")


def test_keys_stand_in_any_order_before_the_name():
    line = f"acc {SHA256} concurrent-streams=2 expires=2027-01-31T01:00:00+01:00 requests-per-minute=300 laptop a=b"
    expires = datetime(2027, 1, 31, tzinfo=UTC)
    assert read_line(line) == Token("acc", SHA256, "laptop a=b", expires, Limits(300, None, 2))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("acc", "not an account, a SHA-256 in hexadecimal and a name"),
        ("acc token name", "not an account, a SHA-256"),
        (f"acc {SHA256}", "there is no name"),
        (f"acc {SHA256}g name", "not an account, a SHA-256"),
        (f"acc {SHA256} expires=2027-01-31T00:00:00Z", "there is no name"),
        (f"acc {SHA256} expires=tomorrow name", "expires=tomorrow is no time such as 2027-01-31T00:00:00Z"),
        (f"acc {SHA256} expires=2027-02-30T00:00:00Z name", "is no time"),
        (f"acc {SHA256} expires=2027-01-31T00:00:00 name", "is no time"),
        (f"acc {SHA256} expires=0001-01-01T00:00:00+14:00 name", "is no time"),
        (f"acc {SHA256} expires= name", "expires= has no value"),
        (f"acc {SHA256} expiry=2027-01-31T00:00:00Z name", "expiry= is none of expires, requests-per-minute"),
        (f"acc {SHA256} requests-per-minute=-1 name", "requests-per-minute=-1 is no number from 0"),
        (f"acc {SHA256} requests-per-minute=1000000001 name", "is no number from 0"),
        (f"acc {SHA256} tokens-per-minute=٣ name", "is no number from 0"),
        (f"acc {SHA256} concurrent-streams=1 concurrent-streams=2 name", "concurrent-streams= stands there twice"),
    ],
)
def test_a_line_that_is_none_says_what_to_change(line, words):
    with pytest.raises(ValueError, match=words):
        read_line(line)


def test_a_token_is_expired_from_its_second_on():
    token = Token("acc", SHA256, "name", read_time("2027-01-31T00:00:00Z"))
    at = datetime(2027, 1, 31, tzinfo=UTC).timestamp()
    assert [token.is_expired(now) for now in (at - 0.001, at, at + 1)] == [False, True, True]
    assert not Token("acc", SHA256, "name").is_expired(at)
    assert to_text(read_time("2027-01-31T00:00:00Z")) == "2027-01-31T00:00:00Z"


def test_limits_that_say_nothing_are_the_defaults_and_0_is_none_at_all():
    assert Limits(None, 0, 5).over(Limits(300, 1000, None)) == Limits(300, 0, 5)
