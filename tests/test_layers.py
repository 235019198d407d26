"""Who may import what: the engine knows no wire, the bridge knows no model."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WIRE = {"grpc", "google", "aiohttp", "runstream", "grpc_health", "grpc_reflection", "grpc_status"}
MODELS = {"torch", "transformers", "tokenizers", "safetensors", "service"}
CONTENTS = {path.relative_to(ROOT): path for layer in ("bridge", "service") for path in (ROOT / layer).rglob("*.py")}
ENGINE = [path for path in CONTENTS if path.parts[:2] == ("service", "engine")]
BRIDGE = [path for path in CONTENTS if path.parts[0] == "bridge"]


def imported_by(path):
    """The top-level packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(CONTENTS[path].read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {
        name.split(".")[0] for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


def loaded_with(module):
    """The top-level packages that a fresh interpreter has loaded from a file once it has imported a module."""
    loaded = "{name.split('.')[0] for name, module in sys.modules.items() if getattr(module, '__file__', None)}"
    script = f"import sys, {module}; print(*{loaded})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("path", ENGINE, ids=str)
def test_the_engine_imports_nothing_of_the_wire(path):
    assert not imported_by(path) & WIRE


@pytest.mark.parametrize("path", BRIDGE, ids=str)
def test_the_bridge_imports_nothing_of_the_models(path):
    assert not imported_by(path) & MODELS


def test_the_service_does_not_import_the_bridge():
    assert not [path for path in CONTENTS if path.parts[0] == "service" and "bridge" in imported_by(path)]


def test_a_running_bridge_has_loaded_nothing_of_the_models():
    assert not loaded_with("bridge.__main__") & MODELS


def test_a_running_engine_has_loaded_nothing_of_the_wire():
    assert not loaded_with("service.engine.worker") & WIRE
