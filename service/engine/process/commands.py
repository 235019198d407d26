"""Commands to an engine: from the edge, over the pipe, and from the threads that compile grammars."""

import os
import queue
import select
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import BinaryIO, Final

from service.engine.grammars.thinking import Matcher
from service.engine_protocol.framing import receive
from service.engine_protocol.messages import Abort, Submit

# A command is read in far less. But a long one that comes in pieces must not hold up the steps of the others.
LONGEST_WAIT_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Compiled:
    """From the compiler's thread: a request's grammar is ready, or refused."""

    submit: Submit
    grammar: "Future[Matcher]"


Command = Submit | Abort | Compiled


class Commands:
    """The commands that have come, first one first.

    A thread reads them from the pipe, and ends the process at the end of it, whatever the process does then.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._source: BinaryIO | None = None
        # Of the pipe; each is written by one thread only.
        self._num_begun = self._num_taken = 0

    def read_from(self, source: BinaryIO) -> None:
        """Takes commands from the edge from now on.

        Args:
            source: The pipe, without a buffer, so that it tells what is still in it.
        """
        self._source = source
        threading.Thread(target=self._read_all, daemon=True).start()

    def put(self, command: Command) -> None:
        """Adds a command."""
        self._queue.put(command)

    def get(self) -> Command:
        """The next command; waits for one."""
        return self._taken(self._queue.get())

    def pop(self) -> Command | None:
        """The next command; None if there is none, neither here nor in the pipe.

        The thread that reads the pipe may only come to its turn when this one waits. So without a wait a request that
        was left would be computed for some steps more.
        """
        try:
            if self._queue.empty() and not self._is_one_coming():
                return None
            return self._taken(self._queue.get(timeout=LONGEST_WAIT_S))
        except queue.Empty:
            return None

    def _taken(self, command: Command) -> Command:
        if not isinstance(command, Compiled):
            self._num_taken += 1
        return command

    def _is_one_coming(self) -> bool:
        if self._source is None:
            return False
        return self._num_begun > self._num_taken or bool(select.select([self._source], [], [], 0)[0])

    def _read_all(self) -> None:
        assert self._source is not None
        while select.select([self._source], [], []):
            self._num_begun += 1
            if (command := receive(self._source)) is None:
                os._exit(0)
            self._queue.put(command)
