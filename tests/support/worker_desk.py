"""A worker that a test gives commands, a turn at a time."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.engine.engine import Engine
from service.engine.grammars.compiler import GrammarCompiler
from service.engine.process.commands import Commands
from service.engine.process.worker import Worker
from service.engine_protocol.framing import receive
from service.engine_protocol.messages import (
    Abort,
    Submit,
)


class Desk:
    """A worker whose commands and results lie open."""

    def __init__(
        self,
        engine: Engine,
        compiler: GrammarCompiler | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.commands = Commands()
        self.results = io.BytesIO()
        self.engine = engine
        self.worker = Worker(engine, compiler or GrammarCompiler(Path()), self.commands, self.results, clock)

    def turn(self, *commands: Submit | Abort) -> list[Any]:
        for command in commands:
            self.commands.put(command)
        self.results.seek(0)
        self.results.truncate()
        self.worker.turn()
        self.results.seek(0)
        return list(iter(lambda: receive(self.results), None))
