"""An engine's process, seen from the benchmark: it is started, asked and ended."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from bench.peers.environments import ROOT, MissingPeerError

_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


class WorkerProcess:
    """A worker that answers requests of one line each.

    Args:
        python: The interpreter.
        module: A module of `bench.peers.workers`.
        options: What it gets.
        checkout: Whose `service` it imports, if it does.
        log: Where its standard error goes.

    Raises:
        MissingPeerError: It did not start.
    """

    def __init__(self, python: Path, module: str, options: dict[str, Any], checkout: Path, log: Path) -> None:
        self._log = log
        # The checkout's own modules come first; the benchmark's are there even if that is too old to have them.
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join((str(checkout), str(ROOT)))}
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", f"bench.peers.workers.{module}", json.dumps(options)],
                cwd=checkout,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.ready_s: float = self._answer()["ready_s"]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Lets it answer a request.

        Raises:
            MissingPeerError: It died.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.close()
        last = (self._log.read_text(errors="replace").strip().splitlines() or ["without a word"])[-1]
        raise MissingPeerError(f"its process ended with {self._process.returncode}: {last[:200]} ({self._log})")

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()
