"""Servers that a document's commands start."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.processes import read_until


@contextlib.contextmanager
def started(command: Sequence[str], ready: str, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Runs a server for the body, which begins once it has said these words."""
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            read_until(ready, process.stdout)
            reader = threading.Thread(target=process.stdout.read)
            reader.start()
            yield
        finally:
            process.terminate()
        reader.join()
