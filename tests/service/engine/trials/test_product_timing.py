"""Ways to multiply are compared on a model's own shapes, and timed there."""

import itertools

import pytest
import torch

from service.engine.linears.onednn import LINEAR, Products
from service.engine.linears.ways import WAYS, ways_of
from service.engine.trials.cpu_program import answer_to
from service.engine.trials.product_timing import ProductTrial, WrongProductError, time_products
from service.engine.trials.shapes import Matrix

MATRICES = [Matrix(96, 64, 3), Matrix(64, 48, 3), Matrix(200, 64, 1, has_every_row=False)]
ROWS = (1, 4, 64)


class WrongForSeveralRows(Products):
    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        product = super().multiply(rows, weight, bias)
        if len(rows) > 4:
            product[-1] *= 1.5
        return product


class NotANumber(Products):
    def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return super().multiply(rows, weight, bias) / 0


def test_the_times_of_all_matrices_are_added_up() -> None:
    ticks = itertools.count()
    times = time_products(ProductTrial(LINEAR, torch.float32, ROWS), MATRICES, lambda: next(ticks) / 100)
    assert times == pytest.approx(dict.fromkeys(ROWS, 7 * 1e4)), "seven products, each of one tick of the clock"


def test_of_a_head_only_the_rows_that_sample_count() -> None:
    seen: list[int] = []

    class Seen(Products):
        def multiply(self, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            seen.append(len(rows))
            return super().multiply(rows, weight, bias)

    time_products(ProductTrial(Seen(), torch.float32, (256,), each_s=0.0), MATRICES[2:])
    assert seen[0] == 256, "compared with all"
    assert set(seen[1:]) == {16}


@pytest.mark.parametrize("products", [WrongForSeveralRows(), NotANumber()])
def test_a_way_that_is_wrong_for_some_rows_is_not_timed(products: Products) -> None:
    with pytest.raises(WrongProductError, match="rows differ by"):
        time_products(ProductTrial(products, torch.float32, ROWS), MATRICES)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_each_way_has_an_answer_on_this_machine(dtype: str) -> None:
    for way in ways_of(getattr(torch, dtype)):
        question = {"what": "products", "way": way, "dtype": dtype, "rows": ROWS, "matrices": MATRICES}
        answer = answer_to({**question, "num_threads": 1})
        assert set(answer) <= {"times_us", "failed"}, f"{way} is wrong"
    assert "linear" in ways_of(getattr(torch, dtype))
    assert ways_of(torch.float64) == ()
    assert set(ways_of(getattr(torch, dtype))) <= set(WAYS)


def test_threads_are_timed_too() -> None:
    kept = torch.get_num_threads()
    question = {"what": "threads", "way": "1", "products": "linear", "dtype": "float32", "rows": (1,)}
    try:
        assert answer_to({**question, "matrices": MATRICES})["times_us"][1] > 0
    finally:
        torch.set_num_threads(kept)
