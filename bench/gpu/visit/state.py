"""What a visit has found so far: files that are whole after each result, and small enough to be brought back."""

import enum
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.roofline import Measurement, Rates

STATE, SUMMARY, LOG, TESTS = "state.json", "visit.txt", "log.txt", "tests.txt"
"""Files of the folder that comes back."""

MAX_TEXT_BYTES = 4 << 20
"""Of a text; of more, the beginning and the end are kept. Four such files are far from 16 MiB each."""

_LISTS = ("environments", "parts", "tests", "ways", "profiles")
_CUT = b"\n[... cut ...]\n"


class Outcome(enum.StrEnum):
    """What became of a part."""

    DONE = "done"
    FAILED = "failed"  # it raised an error, crashed, or took longer than it may
    CUT = "cut"  # the call's time ended; the next call goes on with it


@dataclass(frozen=True)
class Found:
    """Something that a part has learnt beside rows of the table.

    Attributes:
        section: Where it belongs in the state; to one of `environments`, `tests`, `ways` and `profiles` it is added.
        value: Values of JSON.
    """

    section: str
    value: Any


Result = Found | Measurement | Rates


class State:
    """All results, in memory and in a file that `python -m bench.roofline` prints the table of.

    Args:
        folder: Where the file is written, anew after each result.
        is_tiny: Whether shapes are tiny.
        before: What an earlier call has found, as JSON; empty for nothing.

    Raises:
        ValueError: What was found before was found with other shapes, or is no state.
    """

    def __init__(self, folder: Path, is_tiny: bool, before: str = "") -> None:
        self._file = folder / STATE
        self.found: dict[str, Any] = {"machine": "not known", "device_name": "", "is_tiny": is_tiny}
        self.found |= {name: [] for name in _LISTS}
        self.measurements: list[Measurement] = []
        if before:
            told = json.loads(before)
            if not isinstance(told, dict) or told.get("is_tiny") != is_tiny or set(_LISTS) - set(told):
                raise ValueError(
                    "the state is of another kind of visit: leave --state out, or give the earlier options"
                )
            self.measurements = [Measurement(**each) for each in told.pop("measurements")]
            self.found = told

    def add(self, result: Result) -> None:
        """Keeps a result."""
        if isinstance(result, Measurement):
            self.measurements.append(result)
        elif isinstance(result, Rates):
            self.found["ceilings"] = vars(result)
        elif result.section in _LISTS:
            self.found[result.section].append(result.value)
        else:
            self.found[result.section] = result.value
        self.write()

    def add_outcome(self, name: str, outcome: Outcome, seconds: float, detail: str) -> None:
        """Keeps what became of a part, in place of what an earlier call told of it."""
        others = [each for each in self.found["parts"] if each["name"] != name]
        told = {"name": name, "outcome": outcome, "seconds": round(seconds, 1), "detail": detail}
        self.found["parts"] = [*others, told]
        self.write()

    def is_over(self, name: str) -> bool:
        """Whether a part has run to its end, be it a bad one."""
        return any(each["name"] == name and each["outcome"] != Outcome.CUT for each in self.found["parts"])

    def measured(self, way: str) -> set[str]:
        """The names of the cases that have a row of one way."""
        return {each.case for each in self.measurements if each.way == way}

    def tested(self) -> tuple[str, ...]:
        """The ids of the tests that have an outcome."""
        return tuple(each["name"] for each in self.found["tests"])

    def write(self) -> None:
        """Writes the file whole, or leaves it as it was."""
        told: Mapping[str, Any] = {**self.found, "measurements": [asdict(each) for each in self.measurements]}
        write_whole(self._file, json.dumps(told, indent=1, default=str))


def write_whole(file: Path, text: str) -> None:
    """Puts a text in a file's place at once."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text)
    os.replace(draft, file)


def cut_files(files: Iterable[Path], max_bytes: int = MAX_TEXT_BYTES) -> None:
    """Leaves of texts that are too long their beginning and their end."""
    for file in files:
        if file.exists() and file.stat().st_size > max_bytes:
            with file.open("rb") as whole:
                first = whole.read(max_bytes // 2)
                whole.seek(-(max_bytes // 2 - len(_CUT)), os.SEEK_END)
                last = whole.read()
            file.write_bytes(first + _CUT + last)
