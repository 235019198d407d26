"""Pages followed as their readers do: files are written, commands are run, and what they print is compared."""

import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.support.processes import read_until
from tests.support.repository import FILES, ROOT
from tests.support.wrangler import wrangler_dev

_BLOCK = re.compile(r"(?P<prose>.*?)^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_FILE = re.compile(r"(?:#|//) (\S+\.\w+)\n")
_COMMAND = re.compile(r"^\$ (?P<command>.*(?:(?<=\\)\n.*)*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
_WRANGLER = "npx wrangler dev "
_WORKER = "localhost:8787"
_SERVICE = re.compile(r"\S+ -m service ")
# Readers install what they lack. Here Debian's packages are only looked up, and must be on the machine; wrangler, which
# is large, is the tests' own.
_INSTALLERS = """
apt-get() { command apt-get --simulate "$@"; }
npm() { if [ "$*" != "install --save-dev wrangler" ]; then command npm "$@"; fi; }
"""


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


def lay_out(checkout: Path) -> None:
    """Makes a folder have what git has of clients and contract, and this environment; files keep their times."""
    for path in FILES:
        name = path.relative_to(ROOT)
        if name.parts[0] in ("clients", "protos"):
            copy = checkout / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    (checkout / ".venv").unlink(missing_ok=True)
    (checkout / ".venv").symlink_to(sys.prefix)


class Reader:
    """Somebody who follows a page.

    Where a block's shell ends, and what it changes in its environment, the next ones find. A server goes on until the
    next one, or the end of the `with` block.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        """Takes the folder and the environment of the first shell, and what stands here for the page's addresses."""
        self._kept = folder / ".environment"
        self._environment = {**environment, "PWD": str(folder)}
        self._addresses = dict(addresses)
        self._server = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def follow(self, block: Block) -> None:
        """Does what a block says.

        Raises:
            AssertionError: It can't be done, or something else is printed than the page says.
        """
        if block.language == "sh":
            self._shell(block.text)
        elif block.language == "console":
            for found in _COMMAND.finditer(block.text):
                self._compare(found["command"], self._here(found["output"]))
        else:
            self._write(block.text)

    @property
    def _folder(self) -> Path:
        return Path(self._environment["PWD"])

    def _here(self, text: str) -> str:
        for address, here in self._addresses.items():
            text = text.replace(address, here)
        return text

    def _write(self, text: str) -> None:
        named = _FILE.match(text)
        assert named, f"no first line names the file of:\n{text}"
        (self._folder / named[1]).write_text(self._here(text))

    def _shell(self, text: str) -> str:
        """Runs commands in bash; what they said, if they ended well."""
        script = f"{_INSTALLERS}{self._here(text)}\nenv -0 PWD=\"$PWD\" >'{self._kept}'"
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
        variables = [each.partition("=") for each in self._kept.read_text().split("\0") if each]
        self._environment = {name: value for name, _, value in variables if not name.startswith("BASH_FUNC_")}
        return done.stdout

    def _compare(self, command: str, expected: str) -> None:
        if command.startswith(_WRANGLER):
            self._run_wrangler(command)
            return
        said = self._run_service(command) if _SERVICE.match(command) else self._shell(command)
        assert _is_like(expected, said), f"$ {command}\n{said}"

    def _run_wrangler(self, command: str) -> None:
        """Runs the tests' own installation of it."""
        self._server.close()
        options = shlex.split(command.removeprefix(_WRANGLER))
        running = wrangler_dev(self._folder, self._environment["RUNSTREAM_URL"], "", *options)
        self._addresses[_WORKER] = self._server.enter_context(running).removeprefix("http://")

    def _run_service(self, command: str) -> str:
        """Starts a service; what it has said until it listens."""
        self._server.close()
        service = subprocess.Popen(
            ["bash", "-c", f"exec {self._here(command)}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._server.enter_context(service)
        self._server.callback(service.terminate)
        assert service.stdout is not None
        said = read_until("listening on", service.stdout)
        # What it says from here on must be read, or it would block.
        rest = threading.Thread(target=service.stdout.read)
        rest.start()
        self._server.callback(rest.join)
        self._server.callback(service.terminate)
        return said


def _is_like(expected: str, said: str) -> bool:
    """Whether something was printed as a page has it, where … stands for anything."""
    pattern = re.escape(expected.strip()).replace("…", ".*")
    return bool(re.fullmatch(pattern, said.strip(), flags=re.DOTALL))
