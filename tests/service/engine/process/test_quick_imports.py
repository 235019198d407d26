"""What an engine on a CPU does not import."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ENGINE = """
import sys
from pathlib import Path
from service.engine.process.quick_imports import compilers_left_out, import_quickly
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
import_quickly()
with compilers_left_out():
    from service.engine.process.loading import load_engine
    engine = load_engine(EngineConfig(Path(sys.argv[1]), kv_cache_memory_mib=1), lambda _: None)
engine.submit("it", [5, 6, 7], SamplingParams(3, temperature=0.0))
print(sum(len(engine.step().outputs) for _ in range(4)))
"""

LEFT_OUT = """
print(*sorted({
    "accelerate", "sympy", "torch._dynamo", "torch._export", "torch._refs", "torch.distributed.tensor", "triton"
} & sys.modules.keys()))
"""

LATER = """
import torch._dynamo
from torch.distributed.tensor import DTensor
import torch
from torch.export import export
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item(), DTensor.__module__, export.__module__)
"""


def lines_of(script: str, checkpoint: Path) -> list[str]:
    command = [sys.executable, "-c", script, str(checkpoint)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_engine_on_a_cpu_runs_without_compilers_and_they_can_be_imported_later(
    checkpoint: Callable[[str], Path],
) -> None:
    lines = lines_of(ENGINE + LEFT_OUT + LATER, checkpoint("llama"))
    assert lines == ["3", "", "2.0 torch.distributed.tensor torch.export"]


def test_a_model_whose_making_needs_more_of_torch_gets_it(checkpoint: Callable[[str], Path]) -> None:
    lines = lines_of(ENGINE + LEFT_OUT, checkpoint("llama-3.1"))
    assert lines == ["3", "sympy torch._export torch._refs"]


def test_all_of_torch_is_there_if_it_was_imported_before(checkpoint: Callable[[str], Path]) -> None:
    assert lines_of("import torch\n" + ENGINE + LATER, checkpoint("llama"))[0] == "3"
