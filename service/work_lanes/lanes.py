"""Two lanes for work that may never end: what is soon done is done in the first, all else once more in the second.

With one lane, a few clients that send what takes seconds would have all others wait behind them.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.work_lanes.line_process import LineProcess

_T = TypeVar("_T")


class TooLongError(Exception):
    """A lane's process gave no answer: it was ended by its limit of time or of memory."""


class WorkLanes:
    """Does work with the help of a process that answers lines, of which each lane has one, and a thread.

    Args:
        program: A Python file for `LineProcess`, which gets its limit as its argument.
        limits_s: Seconds of the processor that the program may take for a line, of the first lane and of the second.
        timeout_s: How long an answer may take, also while the process gets no processor.
        too_long: Makes what is raised of work that raises `TooLongError` in the second lane too.
    """

    def __init__(
        self,
        program: Path,
        limits_s: tuple[float, float],
        timeout_s: float,
        too_long: Callable[[], Exception] = TooLongError,
    ) -> None:
        self._too_long = too_long
        self._lanes = [
            (ThreadPoolExecutor(1, program.stem), LineProcess(program, timeout_s, str(limit_s))) for limit_s in limits_s
        ]

    def submit(self, work: Callable[[LineProcess], _T]) -> Future[_T]:
        """What `work` returns, or raises."""
        result: Future[_T] = Future()
        self._queue(result, work, 0)
        return result

    def close(self) -> None:
        """Ends the processes, and cancels what waits."""
        for thread, process in self._lanes:
            thread.shutdown(cancel_futures=True)
            process.close()

    def _queue(self, result: Future[_T], work: Callable[[LineProcess], _T], place: int) -> None:
        thread, process = self._lanes[place]
        queued = thread.submit(work, process)
        # One that nobody waits for any more takes no turn.
        result.add_done_callback(lambda _: queued.cancel())
        queued.add_done_callback(functools.partial(self._pass_on, result, work, place))

    def _pass_on(self, result: Future[_T], work: Callable[[LineProcess], _T], place: int, queued: Future[_T]) -> None:
        if result.cancelled() or queued.cancelled():
            result.cancel()
            return
        error = queued.exception()
        is_too_long = isinstance(error, TooLongError)
        if is_too_long and place + 1 < len(self._lanes):
            self._queue(result, work, place + 1)
        elif result.set_running_or_notify_cancel():
            if error is None:
                result.set_result(queued.result())
            else:
                result.set_exception(self._too_long() if is_too_long else error)


def answer_of(process: LineProcess, line: str) -> bytes:
    """The process's answer to a line.

    Raises:
        TooLongError: There is none.
    """
    answer = process.ask(line)
    if not answer:
        raise TooLongError
    return answer
