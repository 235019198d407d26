"""What an engine on a CPU does not import."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from service.engine.process.quick_imports import compilers_left_out
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
with compilers_left_out():
    from service.engine.process.loading import load_engine
    engine = load_engine(EngineConfig(Path(sys.argv[1]), kv_cache_memory_mib=1), lambda _: None)
engine.submit("it", [5, 6, 7], SamplingParams(3, temperature=0.0))
print(sum(len(engine.step().outputs) for _ in range(4)))
print(*sorted({"torch._dynamo", "torch.distributed.tensor", "triton"} & sys.modules.keys()))
import torch._dynamo
from torch.distributed.tensor import DTensor
import torch
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item(), DTensor.__module__)
"""


def test_an_engine_on_a_cpu_runs_without_compilers_and_they_can_be_imported_later(
    checkpoint: Callable[[str], Path],
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(checkpoint("llama"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["3", "", "2.0 torch.distributed.tensor"]
