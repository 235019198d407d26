"""A process of our own that answers lines, for work that may never end, or take all memory: it is ended with it."""

import logging
import selectors
import subprocess
import sys
from pathlib import Path
from typing import IO

_log = logging.getLogger(__name__)


class LineProcess:
    """Starts a program when it is first needed, and again when it was ended. Is used by one thread at a time.

    Args:
        program: A Python file that answers each line of its standard input with one of its standard output.
        timeout_s: How long an answer may take.
        *arguments: The program's.
    """

    def __init__(self, program: Path, timeout_s: float, *arguments: str) -> None:
        self._name = program.name
        self._command = [sys.executable, "-P", str(program), *arguments]  # found wherever the service was started
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, line: str) -> bytes:
        """The answer to a line, which has no line break; empty if the process ended or took too long."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline() if self._has_news(process.stdout) else b""
        except BrokenPipeError:
            answer = b""
        if not answer:
            self.close()
            _log.info("%s gave no answer and ended with status %s", self._name, process.returncode)
        return answer

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _has_news(self, output: IO[bytes]) -> bool:
        # select.select takes no descriptor above 1023, which a service with many connections has.
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            return bool(selector.select(self._timeout_s))

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and a program of ours
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what it dies of may quote the line
            )
        return self._process
