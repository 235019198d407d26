"""Whatever a process writes, its lines are put together, and none is long."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.output_lines import MAX_LINE_BYTES, OutputLines

PIECES = st.lists(st.binary(max_size=20) | st.builds(bytes.__mul__, st.sampled_from([b"x", b"\xff"]), st.just(9_000)))


def lines_of(pieces):
    """All lines of an output that comes in pieces."""
    lines = OutputLines()
    return [line for piece in pieces for line in lines.feed(piece)] + lines.finish()


@given(pieces=PIECES)
def test_lines_are_the_same_however_the_output_is_cut(pieces):
    whole = b"".join(pieces)
    assert lines_of(pieces) == lines_of([whole]) == lines_of([bytes([byte]) for byte in whole])


@given(pieces=PIECES)
def test_no_line_is_much_longer_than_its_limit(pieces):
    lines = lines_of(pieces)
    assert len(lines) == b"".join(pieces).removesuffix(b"\n").count(b"\n") + bool(b"".join(pieces))
    assert all(len(line) < MAX_LINE_BYTES + 50 for line in lines)


@given(lines=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=50)))
def test_short_lines_stay_as_they_are(lines):
    assert lines_of(["".join(f"{line}\n" for line in lines).encode()]) == [line.rstrip() for line in lines]


def test_what_is_left_out_of_a_long_line_is_counted():
    (line,) = lines_of([b"x" * 5_000] * 14)
    assert line == "x" * MAX_LINE_BYTES + f"… and {70_000 - MAX_LINE_BYTES} bytes more"
