"""Checks that the stubs say what the contract says, and that the contract breaks no released one."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import client_stubs, stubs

GENERATED = stubs.ROOT / "clients" / "python" / "runstream" / "v1"


def differences(expected: Path, found: Path) -> list[str]:
    """The names of the generated files that are missing, left over or different."""
    generated = ({path.name: path.read_bytes() for path in folder.glob("*_pb2*")} for folder in (expected, found))
    return client_stubs.unlike(*generated)


def check_stubs() -> list[str]:
    """Generates the stubs again and tells which of the committed ones differ."""
    with tempfile.TemporaryDirectory() as folder:
        stubs.generate(Path(folder))
        stale = differences(Path(folder) / "runstream" / "v1", GENERATED)
    return [f"clients/python/runstream/v1/{name} is not what protos/ generates: run `make proto`" for name in stale]


def check_client_stubs(unchecked: list[client_stubs.Stubs]) -> list[str]:
    """Does the same for the other languages but those without their generators, and says why not for these."""
    stale = []
    for each in client_stubs.ALL:
        if each not in unchecked:
            with tempfile.TemporaryDirectory() as folder:
                each.generate(Path(folder))
                unlike = client_stubs.unlike(each.files(Path(folder)), each.files(each.folder))
            where = each.folder.relative_to(stubs.ROOT)
            stale += [f"{where}/{path} is not what protos/ generates: run `make proto`" for path in unlike]
    return stale + client_stubs.say_missing(unchecked, "checked")


def last_release() -> str | None:
    """The newest tag in this commit's history, None before the first or outside of git."""
    found = subprocess.run(["git", "describe", "--tags", "--abbrev=0"], cwd=stubs.ROOT, capture_output=True, text=True)
    return found.stdout.strip() or None


def check_breaking(tag: str) -> list[str]:
    """Tells what in the contract breaks clients of that release."""
    buf = shutil.which("buf", path=Path(sys.executable).parent) or "buf"
    against = f".git#tag={tag}"
    found = subprocess.run([buf, "breaking", "--against", against], cwd=stubs.ROOT, capture_output=True, text=True)
    return (found.stdout + found.stderr).splitlines() if found.returncode else []


def summary(unchecked: list[client_stubs.Stubs], tag: str | None) -> str:
    """Says what was found right, and which languages' stubs nobody looked at."""
    checked = ["Python", *(each.language for each in client_stubs.ALL if each not in unchecked)]
    left_out = f"; NOT CHECKED: {', '.join(each.language for each in unchecked)}" if unchecked else ""
    compared = f"contract compared with {tag or 'nothing: no release yet'}"
    return f"Stubs of {', '.join(checked)} are current; {compared}{left_out}"


def main() -> int:
    """Prints what is wrong with contract and stubs; returns the exit status."""
    tag = last_release()
    unchecked = [each for each in client_stubs.ALL if each.missing()]
    problems = [*check_stubs(), *check_client_stubs(unchecked), *(check_breaking(tag) if tag else [])]
    print("\n".join(problems) or summary(unchecked, tag))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
