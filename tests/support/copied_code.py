"""Runs code of the playground as it was copied, each kind as who has copied it would, and reads what it answers."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.real_clients import NODE, NODE_FOLDER
from tests.support.missing_tools import skip_or_fail
from tests.support.node_scripts import RunNode

TIMEOUT_S = 100
BUF = Path(sys.executable).with_name("buf")


@dataclass(frozen=True)
class Place:
    """Where code is run.

    Attributes:
        folder: An empty one.
        url: The bridge's.
        token: What bridge and service ask for; empty for none.
        node: Runs scripts with the packages of tests/node.
    """

    folder: Path
    url: str
    token: str
    node: RunNode

    def output(self, *command: str | Path) -> str:
        """What a command prints, with nothing of ours in its environment but the token."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        environment = {**kept, **({"RUNSTREAM_TOKEN": self.token} if self.token else {})}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def run(self, kind: str, code: str) -> str:
        """What code prints, or what a Worker answers."""
        return RUN[kind](self, code)

    def file(self, name: str, code: str) -> Path:
        """Saves code."""
        path = self.folder / name
        path.write_text(code, "utf-8")
        return path


def curl(place: Place, code: str) -> str:
    """By bash; skips the test where there is no curl."""
    if not shutil.which("curl"):
        skip_or_fail("curl is not installed: copied commands are NOT tested")
    return place.output("bash", place.file("ask.sh", code))


def python(place: Place, code: str) -> str:
    """By the Python of the tests, which has the three packages."""
    return place.output(sys.executable, place.file("ask.py", code))


def typescript(place: Place, code: str) -> str:
    """By Node.js alone, which reads TypeScript; its packages lie beside the file."""
    (place.folder / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
    return place.output(NODE, place.file("ask.ts", code))


def worker(place: Place, code: str) -> str:
    """By workerd in Miniflare."""
    script = place.file("worker.mjs", code)
    return str(place.node("worker_script.mjs", str(script), place.url, place.token))


def grpcurl(place: Place, code: str) -> str:
    """By bash, where there is grpcurl."""
    return place.output("bash", place.file("ask.sh", code))


def buf_curl(place: Place, code: str) -> str:
    """The request of a command of grpcurl, sent by the pinned buf, which makes the same message of it by reflection."""
    words = place.output("bash", "-c", f"grpcurl() {{ printf '%s\\0' \"$@\"; }}\n{code}").split("\0")[:-1]
    assert words[0] == "-plaintext"
    *flags, address, method = words[1:]
    asked = ["--protocol", "grpc", "--http2-prior-knowledge", "--reflect-header", "*", *flags]
    return place.output(BUF, "curl", *asked, f"http://{address}/{method}")


RUN: dict[str, Callable[[Place, str], str]] = {
    "curl": curl,
    "python-requests": python,
    "python-cloudflare": python,
    "python-openai": python,
    "typescript": typescript,
    "worker": worker,
    "grpcurl": grpcurl,
    "buf curl": buf_curl,
}


# In no registry that tests install from, so nothing may demand it.
NO_GRPCURL = pytest.mark.skipif(
    not shutil.which("grpcurl"), reason="grpcurl is not installed: its request is sent by buf, its command is NOT run"
)
EACH_KIND = [pytest.param(kind, marks=NO_GRPCURL if kind == "grpcurl" else ()) for kind in RUN]

CODE_OF = {"buf curl": "grpcurl"}
"""Whose code is run, where it is another's."""


def text_of(kind: str, printed: str) -> str:
    """The text in what code of a kind prints: that itself, or JSON and events with it."""
    if kind in ("grpcurl", "buf curl"):
        return "".join(message.get("text", "") for message in _messages(printed.strip()))
    if kind not in ("curl", "worker"):
        return printed
    if printed.startswith("{"):
        answer = json.loads(printed)
        return str(answer.get("result", answer)["response"])
    *events, end = [event.removeprefix("data: ") for event in printed.strip().split("\n\n")]
    assert end == "[DONE]"
    return "".join(json.loads(event)["response"] for event in events)


def call_arguments_of(kind: str, printed: str) -> str:
    """The arguments of the one call in what code of a kind prints, put together of their pieces.

    For a kind that prints a call whole, it is all that was printed.
    """
    key = {"python-openai": "arguments", "buf curl": "argumentsJson", "grpcurl": "argumentsJson"}.get(kind)
    if key is None:
        return printed
    return "".join(_values_of(key, list(_messages(printed.strip()))))


def _values_of(key: str, value: Any) -> Iterator[str]:
    """The texts under a key, at any depth, in their order."""
    if isinstance(value, dict) and isinstance(value.get(key), str):
        yield value[key]
    elif isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _values_of(key, entry)


def _messages(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    while text:
        message, end = decoder.raw_decode(text)
        yield message
        text = text[end:].lstrip()
