"""The process in which ways to compute on the CPU are tried: a crash or a hang ends it alone."""

import contextlib
from typing import Any

import torch

from service.engine.linears.ways import WAYS
from service.engine.trials.answering import answer_lines, failure
from service.engine.trials.company import busy_neighbour
from service.engine.trials.product_timing import ProductTrial, WrongProductError, time_products
from service.engine.trials.shapes import Matrix


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """The times of products, or why there are none."""
    is_of_threads = question["what"] == "threads"
    torch.set_num_threads(int(question["way"]) if is_of_threads else question["num_threads"])
    products = WAYS[question["products"] if is_of_threads else question["way"]]
    dtype, rows = getattr(torch, question["dtype"]), tuple(question["rows"])
    trial = ProductTrial(products, dtype, rows, counts_waits=is_of_threads)
    matrices = [Matrix(*matrix) for matrix in question["matrices"]]
    try:
        with busy_neighbour() if is_of_threads else contextlib.nullcontext():
            return {"times_us": time_products(trial, matrices)}
    except WrongProductError as error:
        return {"wrong": str(error)}
    except (RuntimeError, AttributeError) as error:
        return failure(error)


if __name__ == "__main__":
    answer_lines(answer_to)
