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
ON_TRIAL = {"onednn.py", "quantized.py", "tinygemm.py"}
EXPECTED = torch.arange(1.0, 7.0).view(2, 3)


def missing() -> torch.Tensor:
    product: torch.Tensor = torch.ops.aten._dropped_in_some_version(EXPECTED)
    return product


def failing() -> torch.Tensor:
    raise OSError("no such device\nC++ frames")


def test_an_operator_works_that_differs_by_rounding_only(caplog: pytest.LogCaptureFixture) -> None:
    assert works(lambda: EXPECTED * 1.001, EXPECTED, "it is done otherwise")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (missing, "AttributeError: '_OpNamespace' 'aten' object has no attribute '_dropped_in_some_version'"),
        (failing, "OSError: no such device"),
        (lambda: EXPECTED * 1.1, "the product is wrong"),
        (lambda: EXPECTED * torch.nan, "the product is wrong"),
        (lambda: EXPECTED.view(3, 2), "the product is wrong"),
        (lambda: EXPECTED.double(), "the product is wrong"),
    ],
    ids=["missing", "failing", "wrong", "not a number", "another shape", "another dtype"],
)
def test_one_line_says_why_another_does_not(
    attempt: Callable[[], torch.Tensor], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not works(attempt, EXPECTED, "it is done otherwise")
    assert caplog.messages == [f"it is done otherwise: {reason}"]


def test_all_undocumented_operators_are_on_trial() -> None:
    found = {path.relative_to(SERVICE) for path in SERVICE.rglob("*.py") if UNDOCUMENTED.search(path.read_text())}
    assert found == {Path("engine/linears", name) for name in ON_TRIAL}
