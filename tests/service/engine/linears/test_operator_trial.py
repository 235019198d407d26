"""An undocumented operator is used only if it gives what is expected, and every call of one is on trial."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import service
from service.engine.linears.operator_trial import works

SERVICE = Path(service.__file__).parent
UNDOCUMENTED = re.compile(r"torch\.ops\.|torch\._[a-z]")
ON_TRIAL = {"fbgemm.py", "onednn.py", "quantized.py", "tinygemm.py"}
NAMED_ONLY = {Path("engine/process/quick_imports.py")}  # it keeps a module out and uses nothing of it
EXPECTED = torch.arange(1.0, 7.0).view(2, 3)


def missing() -> list[torch.Tensor]:
    return [torch.ops.aten._dropped_in_some_version(EXPECTED)]


def failing() -> list[torch.Tensor]:
    raise OSError("no such device\nC++ frames")


@pytest.mark.parametrize(
    ("dtype", "factor"), [(torch.float32, 1.000001), (torch.float16, 1.001), (torch.bfloat16, 1.005)]
)
def test_an_operator_works_that_differs_by_rounding_only(
    dtype: torch.dtype, factor: float, caplog: pytest.LogCaptureFixture
) -> None:
    expected = EXPECTED.to(dtype)
    assert works(lambda: [expected, expected * factor], [expected, expected], "it is done otherwise")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (missing, "AttributeError: '_OpNamespace' 'aten' object has no attribute '_dropped_in_some_version'"),
        (failing, "OSError: no such device"),
        (lambda: [EXPECTED * 1.1], "the product is wrong"),
        (lambda: [EXPECTED * 1.001], "the product is wrong"),
        (lambda: [EXPECTED * torch.nan], "the product is wrong"),
        (lambda: [EXPECTED.view(3, 2)], "the product is wrong"),
        (lambda: [EXPECTED.double()], "the product is wrong"),
        (list, "ValueError: zip() argument 2 is longer than argument 1"),
    ],
    ids=["missing", "failing", "wrong", "rounded", "not a number", "another shape", "another dtype", "nothing"],
)
def test_one_line_says_why_another_does_not(
    attempt: Callable[[], list[torch.Tensor]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not works(attempt, [EXPECTED], "it is done otherwise")
    assert caplog.messages == [f"it is done otherwise: {reason}"]


def test_one_wrong_product_among_many_is_found() -> None:
    many = [EXPECTED] * 1000
    assert not works(lambda: [*many, EXPECTED * 1.1], [*many, EXPECTED], "it is done otherwise")


def test_all_undocumented_operators_are_on_trial() -> None:
    found = {path.relative_to(SERVICE) for path in SERVICE.rglob("*.py") if UNDOCUMENTED.search(path.read_text())}
    assert found - NAMED_ONLY == {Path("engine/linears", name) for name in ON_TRIAL}
