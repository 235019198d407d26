"""What is asked of devices is asked in one place, and answered by their kind."""

import ast
from pathlib import Path

import pytest
import torch

from service.engine import device as questions

ENGINE = Path(questions.__file__).parent
ASKS = Path(questions.__file__)
KERNELS = ENGINE / "kernels"
"""A kernel may know where it runs."""

SOURCES = [path for path in ENGINE.rglob("*.py") if path != ASKS and KERNELS not in path.parents]
KINDS = {"cpu", "cuda", "mps", "xpu"}
ATTRIBUTES = {"is_cpu", "is_cuda"}
CALLS = {"torch.cuda.is_available"}

CPU, CUDA, OTHER = torch.device("cpu"), torch.device("cuda", 1), torch.device("mps")


def kinds_asked_for(source: str) -> list[str]:
    """Where a source names a kind of device or asks for it otherwise, as lines of code."""
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Constant) and str(node.value).partition(":")[0] in KINDS)
        or (isinstance(node, ast.Attribute) and (node.attr in ATTRIBUTES or ast.unparse(node) in CALLS))
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ENGINE)))
def test_no_other_file_asks_for_the_kind_of_a_device(path: Path) -> None:
    assert not kinds_asked_for(path.read_text())


@pytest.mark.parametrize(
    "source",
    [
        'if tensor.device.type == "cuda": ...',
        'if config.device.startswith("cuda:"): ...',
        '_DTYPES = {"cpu": ()}',
        "if tensor.is_cuda: ...",
        "if torch.cuda.is_available(): ...",
    ],
)
def test_such_a_question_is_found(source: str) -> None:
    assert len(kinds_asked_for(source)) == 1


@pytest.mark.parametrize("ask", [questions.has_streams, questions.has_graphs, questions.has_triton, questions.is_cuda])
def test_only_cuda_works_by_itself(ask) -> None:
    assert [ask(device) for device in (CPU, CUDA, OTHER)] == [False, True, False]


def test_only_the_host_is_a_cpu() -> None:
    assert [questions.is_cpu(device) for device in (CPU, CUDA, OTHER)] == [True, False, False]


@pytest.mark.parametrize(
    ("device", "has_own_memory", "backend"),
    [("cpu", False, "gloo"), ("cuda", True, "nccl"), ("cuda:1", True, "nccl"), ("mps", False, "gloo")],
)
def test_a_device_is_known_by_its_name(device: str, has_own_memory: bool, backend: str) -> None:
    assert questions.has_own_memory(device) is has_own_memory
    assert questions.collective_backend(device) == backend
