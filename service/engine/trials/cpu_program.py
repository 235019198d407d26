"""The process in which ways to compute on the CPU are tried: what it dies of, or never comes back from, ends it alone.

Each line of its standard input is a question as JSON, and each line of its output the answer.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from typing import Any

import torch

from service.engine.linears.ways import WAYS
from service.engine.trials.company import busy_neighbour
from service.engine.trials.product_timing import ProductTrial, WrongProductError, time_products
from service.engine.trials.shapes import Matrix


def main() -> None:
    """Answers questions. Its argument is how many seconds of each processor an answer may take."""
    # of all threads together; its signal ends the process
    max_cpu_s = float(sys.argv[1]) * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print is no answer
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, max_cpu_s)
        print(json.dumps(answer_to(json.loads(line))), file=answers, flush=True)


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """The times of products, or why there are none."""
    is_of_threads = question["what"] == "threads"
    torch.set_num_threads(int(question["way"]) if is_of_threads else question["num_threads"])
    products = WAYS[question["products"] if is_of_threads else question["way"]]
    trial = ProductTrial(products, getattr(torch, question["dtype"]), tuple(question["rows"]))
    matrices = [Matrix(*matrix) for matrix in question["matrices"]]
    try:
        with busy_neighbour() if is_of_threads else contextlib.nullcontext():
            return {"times_us": time_products(trial, matrices)}
    except WrongProductError as error:
        return {"wrong": str(error)}
    except (RuntimeError, AttributeError) as error:
        first_line, _, _ = str(error).partition("\n")  # schemas or C++ frames follow
        return {"failed": f"{type(error).__name__}: {first_line}"[:200]}


if __name__ == "__main__":
    main()
