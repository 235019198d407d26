"""Pages followed as their readers do: files are written, commands are run, and what they print is compared."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.repository import FILES, ROOT
from tests.support.wrangler import wrangler_dev

_BLOCK = re.compile(r"(?P<prose>.*?)^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_FILE = re.compile(r"(?:#|//) (\S+\.\w+)\n")
_IN_PLACE_OF = re.compile(r"`([^`]+)`(?:\s+again)?\s+in\s+place\s+of\s+`([^`]+)`")
_ABOVE = re.compile(r"Above `([^`]+)`:")
_COMMAND = re.compile(r"^\$ (?P<command>.*(?:(?<=\\)\n.*)*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_WRANGLER = "npx wrangler dev -e local"
_WORKER = "http://127.0.0.1:8787"
# Readers install what they lack. Here it is only looked up, and must be on the machine.
_APT = 'apt-get() { command apt-get --simulate "$@"; }\n'


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        prose: What stands before it, from the block or the heading before on.
        language: What the fence says.
        text: What it holds.
    """

    prose: str
    language: str
    text: str

    @property
    def is_followed(self) -> bool:
        """Whether the page does not say that tests leave it out."""
        return "not run by our tests" not in " ".join(self.prose.split())


def sections(text: str, level: int = 2) -> dict[str, str]:
    """What stands below each heading of a level, by heading."""
    parts = re.split(rf"^{'#' * level} (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, in order."""
    found = [one.groupdict() for one in _BLOCK.finditer(text)]
    return [Block(_HEADING.split(one["prose"])[-1], one["language"], one["text"]) for one in found]


def lay_out(folder: Path) -> None:
    """Puts what git has of clients and contract into a folder, as `runstream`; files keep their times."""
    for path in FILES:
        name = path.relative_to(ROOT)
        if name.parts[0] in ("clients", "protos"):
            copy = folder / "runstream" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)


class Reader:
    """Somebody who follows a page in a folder.

    What a block changes in the environment of its shell, the next ones find.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        """Takes the folder, the environment of the first shell, and what stands here for the page's addresses."""
        self._folder = folder
        self._environment = dict(environment)
        self._addresses = addresses
        self._files: list[Path] = []

    def follow(self, block: Block) -> None:
        """Does what a block and the words before it say.

        Raises:
            AssertionError: It can't be done, or something else is printed than the page says.
        """
        for new, old in _IN_PLACE_OF.findall(block.prose):
            self._replace(old, new)
        above = _ABOVE.search(block.prose)
        if block.language == "sh":
            self._shell(block.text)
        elif block.language == "console":
            self._compare(block.text)
        elif above:
            self._replace(above[1], f"{block.text}\n{above[1]}")
        else:
            self._write(block.text)

    def _here(self, text: str) -> str:
        for address, here in self._addresses.items():
            text = text.replace(address, here)
        return text

    def _replace(self, old: str, new: str) -> None:
        old, new = self._here(old), self._here(new)
        found = [path for path in self._files if old in path.read_text()]
        assert len(found) == 1, f"{old} is in {len(found)} of the files"
        found[0].write_text(found[0].read_text().replace(old, new))

    def _write(self, text: str) -> None:
        named = _FILE.match(text)
        assert named, f"no first line names the file of:\n{text}"
        path = self._folder / named[1]
        path.write_text(self._here(text))
        self._files = [*(each for each in self._files if each != path), path]

    def _shell(self, text: str) -> str:
        """Runs commands in bash; what they said, if they ended well."""
        kept = self._folder / ".environment"
        script = f"{_APT}{self._here(text)}\nenv -0 >'{kept}'"
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        variables = [each.partition("=") for each in kept.read_text().split("\0") if each]
        self._environment = {name: value for name, _, value in variables if not name.startswith("BASH_FUNC_")}
        return done.stdout

    def _compare(self, text: str) -> None:
        commands = [(found["command"], found["output"]) for found in _COMMAND.finditer(text)]
        if commands[0][0] == _WRANGLER:
            with self._wrangler() as worker:
                self._compare_each([(command.replace(_WORKER, worker), output) for command, output in commands[1:]])
        else:
            self._compare_each(commands)

    def _compare_each(self, commands: list[tuple[str, str]]) -> None:
        for command, expected in commands:
            said = self._shell(command)
            assert _is_like(self._here(expected), said), f"$ {command}\n{said}"

    @contextmanager
    def _wrangler(self) -> Iterator[str]:
        """Runs what another terminal would, of the tests' own installation."""
        with wrangler_dev(self._folder, self._environment["RUNSTREAM_URL"], "", "-e", "local") as address:
            yield address


def _is_like(expected: str, said: str) -> bool:
    """Whether something was printed as a page has it, where … stands for anything."""
    pattern = re.escape(expected.strip()).replace("…", ".*")
    return bool(re.fullmatch(pattern, said.strip(), flags=re.DOTALL))
