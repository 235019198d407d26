"""What running parts have loaded: the engine knows no wire, the bridge knows no model.

Who may import what is said in .importlinter, which `make check` holds.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WIRE = {"grpc", "google", "aiohttp", "runstream", "grpc_health", "grpc_reflection", "grpc_status"}
MODELS = {"torch", "transformers", "tokenizers", "safetensors", "service"}


def imported_in(nodes):
    """The top-level packages that some statements import."""
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


def loaded_with(*modules):
    """The modules that a fresh interpreter has loaded from a file once it has imported some."""
    loaded = "{name for name, module in sys.modules.items() if getattr(module, '__file__', None)}"
    script = f"import sys, {', '.join(modules)}; print(*{loaded})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def packages(modules):
    return {module.split(".")[0] for module in modules}


def test_a_running_bridge_has_loaded_nothing_of_the_models():
    assert not packages(loaded_with("bridge.__main__")) & MODELS


def test_a_running_engine_has_loaded_nothing_of_the_wire():
    assert not packages(loaded_with("service.engine.process.worker")) & WIRE


def test_what_runs_on_a_gpu_needs_torch_and_transformers_only():
    """docs/benchmarks.md promises it to those who have an image with these."""
    needed = {"torch", "transformers", "tokenizers", "safetensors", "numpy", "tqdm"}
    found = set()
    measured = "bench.gpu.__main__", "bench.gpu.jobs", "bench.gpu.visit.__main__", "bench.quantized_linears"
    for module in loaded_with(*measured, "bench.gpu.visit.ways_program", "tests.gpu.engines"):
        path = ROOT / f"{module.replace('.', '/')}.py"
        if path.exists():
            found |= imported_in(ast.parse(path.read_text()).body)
    assert {"torch", "transformers"} < found
    assert found - needed <= {"bench", "service", "tests", *sys.stdlib_module_names}
