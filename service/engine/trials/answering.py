"""Answers the questions of trials: a line of JSON for each, and the program's end with one that takes too long."""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any


def answer_lines(answer_to: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answers each line of standard input with one of standard output.

    The program's argument is how many seconds of each processor an answer may take.
    """
    max_cpu_s = float(sys.argv[1]) * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is no answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, max_cpu_s)  # of all threads together; its signal ends the process
        print(json.dumps(answer_to(json.loads(line))), file=answers, flush=True)


def failure(error: Exception) -> dict[str, Any]:
    """The answer for a way that raises an error."""
    first_line, _, _ = str(error).partition("\n")  # schemas or C++ frames follow
    return {"failed": f"{type(error).__name__}: {first_line}"[:200]}
