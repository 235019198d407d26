"""What takes long keeps nobody waiting but those whose work does, too."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from service.work_lanes.lanes import TooLongError, WorkLanes, answer_of

# Says each line back, and ends with one that asks for more seconds than its argument.
PROGRAM: Final = """
import sys
for line in sys.stdin:
    if float(line) > float(sys.argv[1]):
        break
    print(line, end="", flush=True)
"""


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[WorkLanes]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with closing(WorkLanes(program, (1.0, 10.0), timeout_s=60.0, too_long=lambda: ValueError("too long"))) as lanes:
        yield lanes


def ask(lanes: WorkLanes, line: str) -> Future[bytes]:
    return lanes.submit(lambda process: answer_of(process, line))


@pytest.mark.parametrize("seconds", ["1", "10"])
def test_work_is_done_in_the_first_lane_or_in_the_second(lanes: WorkLanes, seconds: str) -> None:
    assert ask(lanes, seconds).result() == f"{seconds}\n".encode()


def test_what_takes_too_long_in_both_lanes_is_told_so_and_others_go_on(lanes: WorkLanes) -> None:
    endless = ask(lanes, "11")
    assert ask(lanes, "1").result() == b"1\n"
    with pytest.raises(ValueError, match="too long"):
        endless.result()
    assert ask(lanes, "10").result() == b"10\n"


def test_nobody_waits_for_what_is_in_the_second_lane(lanes: WorkLanes) -> None:
    is_let_go, is_there = Future[bytes](), Future[None]()
    num_tries = iter(range(2))

    def work(_: object) -> bytes:
        if not next(num_tries):
            raise TooLongError
        is_there.set_result(None)
        return is_let_go.result()

    slow = lanes.submit(work)
    is_there.result()
    waiting = ask(lanes, "10")
    assert [ask(lanes, "1").result() for _ in range(3)] == [b"1\n"] * 3
    assert not waiting.done()
    is_let_go.set_result(b"at last")
    assert (slow.result(), waiting.result()) == (b"at last", b"10\n")


def test_work_that_nobody_waits_for_is_not_begun(lanes: WorkLanes) -> None:
    is_let_go, begun = Future[bytes](), list[str]()
    first = lanes.submit(lambda _: is_let_go.result())
    given_up = lanes.submit(lambda _: begun.append("given up"))
    last = lanes.submit(lambda _: begun.append("last"))
    assert given_up.cancel()
    is_let_go.set_result(b"")
    last.result()
    assert (first.result(), begun) == (b"", ["last"])


def test_other_errors_are_raised_at_once(lanes: WorkLanes) -> None:
    def work(_: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        lanes.submit(work).result()


def test_what_waits_at_the_end_is_cancelled(lanes: WorkLanes) -> None:
    is_let_go = Future[bytes]()
    first = lanes.submit(lambda _: is_let_go.result())
    waiting = ask(lanes, "1")
    waiting.add_done_callback(lambda _: is_let_go.set_result(b""))
    lanes.close()
    assert first.result() == b""
    assert waiting.cancelled()
