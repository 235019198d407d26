"""Sets the version wherever it is written, and closes the changelog's part of what is unreleased.

    python -m scripts.set_version 0.3.0

`scripts.check_versions` compares all of these places, so none can be forgotten.
"""

import datetime
import re
import sys
from pathlib import Path

from scripts.check_versions import CLIENTS, PROJECTS, ROOT

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_PROJECT = r'^version = "([\d.]+)"'
_LOCKED = ("clients/typescript/package-lock.json", r'^      "name": "runstream",\n      "version": "([\d.]+)"')
_UNRELEASED = "## [Unreleased]\n"


def set_version(version: str, root: Path, day: datetime.date) -> list[Path]:
    """Writes a version into the files of a checkout.

    Args:
        version: Three numbers.
        root: The checkout.
        day: The day of the release, for the changelog.

    Returns:
        The files that were written.

    Raises:
        ValueError: It is no version, or a file does not have one where it should.
    """
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version} is no version: write three numbers, such as 0.3.0")
    places = [*((file, _PROJECT) for file in PROJECTS), *CLIENTS.items(), _LOCKED]
    written = {root / file: "" for file, _ in places}
    for file, pattern in places:
        text = written[root / file] or (root / file).read_text()
        written[root / file] = _replaced(text, pattern, version, file)
    written[root / "CHANGELOG.md"] = _closed((root / "CHANGELOG.md").read_text(), version, day)
    for path, text in written.items():
        path.write_text(text)
    return list(written)


def _replaced(text: str, pattern: str, version: str, file: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} has no version where {pattern} looks for it")
    return text[: found.start(1)] + version + text[found.end(1) :]


def _closed(changelog: str, version: str, day: datetime.date) -> str:
    """A changelog whose unreleased part belongs to a version; an empty one stands above it."""
    before, heading, after = changelog.partition(_UNRELEASED)
    if not heading or f"## [{version}]" in changelog:
        raise ValueError(f"CHANGELOG.md has no unreleased part, or {version} already")
    return f"{before}{heading}\n## [{version}] - {day.isoformat()}\n{after}"


def main(arguments: list[str]) -> None:
    """Sets the version that the command line names."""
    if len(arguments) != 1:
        sys.exit("usage: python -m scripts.set_version 0.3.0")
    try:
        for path in set_version(arguments[0], ROOT, datetime.datetime.now(datetime.UTC).date()):
            print(f"wrote {path.relative_to(ROOT)}")
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
