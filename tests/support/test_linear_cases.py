"""The kernels of packed weights multiply as float32 does, in Triton's interpreter."""

import pytest
import torch

from service.engine.kernels.splits import split_steps
from tests.support.linear_cases import TOLERANCES, Case, cases


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA, Triton compiles; tests/gpu has these cases")
@pytest.mark.parametrize("case", cases(large=False), ids=str)
def test_a_kernel_is_within_its_tolerance(case: Case) -> None:
    assert case.error("cpu") < TOLERANCES[case.dtype]


@pytest.mark.parametrize("num_steps", [1, 2, 3, 32, 43, 112])
@pytest.mark.parametrize("num_blocks", [1, 16, 64, 172, 2004])
def test_splits_take_each_step_once_and_none_is_empty(num_steps: int, num_blocks: int) -> None:
    num_splits, steps_each = split_steps(num_steps, num_blocks, num_processors=132)
    assert (num_splits - 1) * steps_each < num_steps <= num_splits * steps_each


def test_few_blocks_are_split_until_all_processors_have_work() -> None:
    num_splits, _ = split_steps(num_steps=32, num_blocks=64, num_processors=132)
    assert 64 * num_splits >= 2 * 132
