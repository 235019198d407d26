"""The search for stop sequences: what comes out is the text up to the first match, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.output.stop_sequences import StopSearch
from tests.support.first_match import first_match

# Few letters, so that matches, near misses and overlaps abound.
LETTERS = st.text("ab", max_size=30) | st.text("abc", max_size=30) | st.text("aé😀\n ", max_size=30)
STOPS = st.lists(
    st.text("ab", min_size=1, max_size=6) | st.text("abc", min_size=1, max_size=3) | st.text("aé😀\n ", min_size=1),
    max_size=8,
)


def search(stops: list[str], pieces: list[str], *, is_included: bool = False) -> tuple[str, str | None]:
    """What comes out of the search, and the stop that it found."""
    found = StopSearch(stops, is_included=is_included)
    out = ""
    for piece in pieces:
        out += found.push(piece)
        if found.matched is not None:
            break
    return out + found.flush(), found.matched


def expected(text: str, stops: list[str]) -> tuple[str, str | None]:
    begin, stop = first_match(text, stops)
    return text[:begin], stop


@given(text=LETTERS, stops=STOPS)
def test_at_every_cut_the_text_ends_where_the_whole_text_first_matches(text, stops):
    for cut in range(len(text) + 1):
        assert search(stops, [text[:cut], text[cut:]]) == expected(text, stops)


@given(text=LETTERS, stops=STOPS)
def test_character_by_character_it_ends_there_too(text, stops):
    assert search(stops, list(text)) == expected(text, stops)


@given(pieces=st.lists(LETTERS, max_size=6), stops=STOPS)
def test_in_any_pieces_it_ends_there_too(pieces, stops):
    assert search(stops, pieces) == expected("".join(pieces), stops)


@given(pieces=st.lists(LETTERS, max_size=6), stops=STOPS)
def test_a_match_that_is_included_comes_out_behind_the_text_before_it(pieces, stops):
    text, stop = expected("".join(pieces), stops)
    assert search(stops, pieces, is_included=True) == (text + (stop or ""), stop)


@given(text=st.text(max_size=40), data=st.data())
def test_any_part_of_a_text_is_found_in_it(text, data):
    begin = data.draw(st.integers(0, len(text)))
    stops = [stop for stop in (text[begin : begin + 20], text[begin // 2 :][:256]) if stop]
    assert search(stops, [text[:begin], text[begin:]]) == expected(text, stops)


@given(text=LETTERS, stops=STOPS)
def test_nothing_is_held_back_that_no_match_could_take(text, stops):
    found = StopSearch(stops)
    sent = ""
    for end, character in enumerate(text, 1):
        sent += found.push(character)
        if found.matched is not None:
            return
        held = text[len(sent) : end]
        if held:
            rests = [stop[len(held) :] for stop in stops if stop.startswith(held)]
            assert any(first_match(text[:end] + rest, stops)[0] == len(sent) for rest in rests)


@given(text=LETTERS, stops=STOPS)
def test_a_match_is_told_as_soon_as_no_earlier_one_can_come(text, stops):
    found = StopSearch(stops)
    for end, character in enumerate(text, 1):
        found.push(character)
        begin, stop = first_match(text[:end], stops)
        endings = [text[place:end] for place in range(begin)]
        can_change = any(other.startswith(ending) for ending in endings for other in stops)
        assert found.matched == (None if can_change else stop)
        if found.matched is not None:
            return


@pytest.mark.parametrize("stops", [["ab", "abc"], ["abc", "ab"]])
def test_of_stops_that_begin_at_one_place_the_shortest_ends_the_text(stops):
    assert search(stops, ["xabc"]) == ("x", "ab")


def test_a_match_inside_the_beginning_of_a_longer_one_waits_for_its_fate():
    for rest, result in [("d", ("x", "abcd")), ("e", ("xa", "bc")), ("", ("xa", "bc"))]:
        found = StopSearch(["abcd", "bc"])
        assert (found.push("xabc"), found.matched) == ("x", None)
        assert ("x" + found.push(rest) + found.flush(), found.matched) == result


def test_a_beginning_that_comes_to_nothing_is_let_go_at_once():
    found = StopSearch(["\n\nUser:"])
    assert [found.push(piece) for piece in ("Hi.", "\n", "\n", "U", "sed", "\n\nUse")] == [
        *("Hi.", "", "", "", "\n\nUsed", "")
    ]
    assert found.flush() == "\n\nUse"
    assert found.matched is None


def test_the_rest_of_a_failed_beginning_may_begin_again():
    assert search(["aab"], ["aa", "a", "b!"]) == ("a", "aab")


def test_without_stops_all_text_passes():
    assert search([], ["a", "", "b"]) == ("ab", None)


def test_characters_are_compared_as_they_are():
    assert search(["é"], ["caf", "e\u0301"]) == ("cafe\u0301", None)
    assert search(["e"], ["caf", "e\u0301"]) == ("caf", "e")
