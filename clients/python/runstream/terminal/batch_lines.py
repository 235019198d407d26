"""The lines of a file of requests: every fault is told with its file, line and field."""

import json
import re
from pathlib import Path
from typing import Any, Final

from runstream.batch import make_items
from runstream.terminal.failures import Failure
from runstream.v1 import batches_pb2

# As the client and the service call an item, and what it has.
_PLACE: Final = re.compile(r"items\[(\d+)\](?:\.request)?(?:: |\.| )(?:sampling_params\.)?")


class BatchLines:
    """The requests of a file.

    Args:
        text: What the file has: a JSON string, or an object of run's keywords, on each line that is not blank.
        file: Its name, for messages.

    Attributes:
        items: The requests as items of a batch.

    Raises:
        Failure: A line is wrong, or there is none.
    """

    def __init__(self, text: str, file: Path) -> None:
        self._file = file
        self._numbers: list[int] = []
        self.items: list[batches_pb2.BatchItem] = []
        # Not splitlines: JSON strings may hold the other ends of lines that it knows.
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                self._numbers.append(number)
                self.items.append(self._item(line))
        if not self.items:
            raise Failure(f"{file} has no request: write one on each line")

    def placed(self, message: str) -> str:
        """A message about items, which are counted from 0, with their lines."""
        return _PLACE.sub(lambda match: self._place(int(match[1])), message)

    def _place(self, index: int) -> str:
        number = self._numbers[index] if index < len(self._numbers) else "?"
        return f"{self._file}:{number}: "

    def _item(self, line: str) -> batches_pb2.BatchItem:
        place = self._place(-1)
        request = _parsed(line, place)
        if not isinstance(request, str | dict):
            raise Failure(f"{place}it is neither a prompt nor an object: give one of them")
        if isinstance(request, dict) and "model" in request:
            raise Failure(f"{place}model: one model answers the whole file: leave it out here, and give --model")
        try:
            (item,) = make_items([request])
        except (TypeError, ValueError) as error:
            raise Failure(place + _PLACE.sub("", str(error))) from None
        return item


def _parsed(line: str, place: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        what = f"{error.msg} at column {error.colno}"
    except RecursionError:
        what = "it is nested too deep"
    except ValueError:
        what = "an integer has too many digits"
    raise Failure(f"{place}no JSON: {what}: give a JSON string or an object")
