"""A call of a visit: parts that hang, crash or find no time cost only themselves, and the next call goes on."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.gpu.visit.calls import Call, Part
from bench.gpu.visit.state import LOG, STATE, Outcome, State
from bench.roofline import Measurement

WHILE_BUSY_S = 120.0


@dataclass(frozen=True)
class Told:
    """Finds one thing, and then does what a kernel that never ran may do."""

    value: str
    way: str = ""

    def run(self) -> Iterator[Measurement]:
        yield Measurement(self.value, "plain", [1.0])
        print(f"printed by {self.value}")
        if self.way == "raises":
            raise ValueError("an illegal address\nand a long trace")
        if self.way == "dies":
            os._exit(9)
        if self.way == "hangs":
            threading.Event().wait()


def part(name: str, way: str = "", limit_s: float = WHILE_BUSY_S) -> Part:
    return Part(name, limit_s, lambda state: Told(name, way))


def rows(state: State) -> list[str]:
    return [row.case for row in state.measurements]


def outcomes(state: State) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["outcome"], each["detail"]) for each in state.found["parts"]}


def test_a_part_that_breaks_ends_alone_and_keeps_what_it_found(tmp_path: Path) -> None:
    state = State(tmp_path, is_tiny=True)
    parts = [part("raises", "raises"), part("dies", "dies"), part("hangs", "hangs", limit_s=1.0), part("good")]
    Call(state, tmp_path, limit_s=600.0).run(parts)
    assert outcomes(state) == {
        "raises": (Outcome.FAILED, "ValueError: an illegal address"),
        "dies": (Outcome.FAILED, "its process ended with 9"),
        "hangs": (Outcome.FAILED, "it was stopped after 1 s"),
        "good": (Outcome.DONE, ""),
    }
    assert rows(state) == ["raises", "dies", "hangs", "good"]
    assert len(json.loads((tmp_path / STATE).read_text())["measurements"]) == 4
    assert "=== good\nprinted by good" in (tmp_path / LOG).read_text()


def test_what_the_end_of_a_call_cuts_is_done_by_the_next_one_and_nothing_twice(tmp_path: Path) -> None:
    Call(State(tmp_path, is_tiny=True), tmp_path, limit_s=600.0).run([part("starts what parts are forked from")])
    first = State(tmp_path, is_tiny=True)
    Call(first, tmp_path, limit_s=30.0).run([part("good"), part("long", "hangs"), part("last")])
    assert [outcome for outcome, _ in outcomes(first).values()] == [Outcome.DONE, Outcome.CUT, Outcome.CUT]
    second = State(tmp_path, is_tiny=True, before=(tmp_path / STATE).read_text())
    Call(second, tmp_path, limit_s=600.0).run([part("good", "dies"), part("long"), part("last")])
    assert {outcome for outcome, _ in outcomes(second).values()} == {Outcome.DONE}
    assert rows(second) == ["good", "long", "long", "last"]


def test_what_each_machine_has_of_its_own_is_found_by_each_call(tmp_path: Path) -> None:
    state = State(tmp_path, is_tiny=True)
    machine = Part("machine", WHILE_BUSY_S, lambda state: Told("machine"), is_of_each_call=True)
    for _ in range(2):
        Call(state, tmp_path, limit_s=600.0).run([machine])
    assert rows(state) == ["machine", "machine"]
    assert len(state.found["parts"]) == 1
