"""Keeps what trials have found on the disk for the next start: one small file for each machine, model and version.

A start reads one file. What can't be read is as if it were not there.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Choices, TrialOutcome, Tried

_log = logging.getLogger(__name__)

Facts = Mapping[str, Any]
"""What a choice depends on, as JSON's values."""

_FORMAT: Final = 2
_MOST_FILES: Final = 64
_MOST_BYTES: Final = 64 << 10
_MOST_AGE_S: Final = 90 * 86_400.0
_MOST_AGE_OF_A_PART_S: Final = 86_400.0
"""Of a choice for which not all was tried in time, which a busy machine may be to blame for."""


class KeptChoices:
    """The choices of this user's engines.

    Args:
        folder: Where they are kept; it is made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, facts: Facts) -> Choices | None:
        """The choice for such facts; None if none was made, or too long ago."""
        path = self._path(facts)
        try:
            age_s = time.time() - path.stat().st_mtime
            if age_s > _MOST_AGE_S or path.stat().st_size > _MOST_BYTES:
                return None
            kept = json.loads(path.read_bytes())
            if (kept["format"], kept["facts"]) != (_FORMAT, json.loads(json.dumps(facts))):
                return None
            choices = _choices(kept["choices"])
            is_part = any(it.outcome is TrialOutcome.UNTRIED for it in choices.tried)
            return None if is_part and age_s > _MOST_AGE_OF_A_PART_S else choices
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            _log.warning("%s can't be read, and the ways are tried again: %s", path, error)
            return None

    def write(self, facts: Facts, choices: Choices) -> None:
        """Keeps a choice in place of one for the same facts, and drops the oldest of too many.

        Raises:
            OSError: The folder can't be written to.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(facts)
        draft = path.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps({"format": _FORMAT, "facts": dict(facts), "choices": _plain(choices)}, indent=1))
        draft.replace(path)
        self._prune()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no other process of this user tries ways; two at once would measure each other.

        Raises:
            OSError: The folder can't be written to.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:  # its end, whichever way, unlocks it
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _path(self, facts: Facts) -> Path:
        written = json.dumps(facts, sort_keys=True).encode()
        return self._folder / f"{hashlib.sha256(written).hexdigest()[:32]}.json"

    def _prune(self) -> None:
        """Deletes what is too old, and then the oldest; another process may do so at the same time."""
        ages = {}
        for path in (*self._folder.glob("*.json"), *self._folder.glob("*.draft")):
            with contextlib.suppress(FileNotFoundError):
                ages[path] = time.time() - path.stat().st_mtime
        by_age = sorted(ages, key=ages.__getitem__)
        for place, path in enumerate(by_age):
            if place >= _MOST_FILES or ages[path] > _MOST_AGE_S:
                path.unlink(missing_ok=True)


def default_folder(environment: Mapping[str, str]) -> Path:
    """The folder in the user's cache.

    Args:
        environment: The process's environment variables.
    """
    cache_home = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache_home) / "runstream" / "choices"


def _plain(choices: Choices) -> dict[str, Any]:
    return {
        "products": choices.products,
        "num_threads": choices.num_threads,
        "accelerations": sorted(choices.accelerations),
        "graphs_bytes": choices.graphs_bytes,
        "tried": [asdict(it) for it in choices.tried],
    }


def _choices(plain: Any) -> Choices:
    tried = tuple(
        Tried(
            str(it["what"]),
            str(it["way"]),
            TrialOutcome(it["outcome"]),
            str(it["detail"]),
            tuple((int(rows), float(time_us)) for rows, time_us in it["times_us"]),
            (int(it["graphs_bytes"][0]), int(it["graphs_bytes"][1])),
        )
        for it in plain["tried"]
    )
    accelerations = frozenset(map(Acceleration, plain["accelerations"]))
    return Choices(str(plain["products"]), int(plain["num_threads"]), accelerations, int(plain["graphs_bytes"]), tried)
