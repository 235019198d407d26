"""What `make run` waits for before its parts start is not more than they need."""

import subprocess
import sys

import pytest

# Each takes a tenth of a second or more, while nothing else has started yet.
SLOW = {"aiohttp", "grpc", "huggingface_hub", "numpy", "prometheus_client", "torch", "transformers"}


@pytest.mark.parametrize("module", ["scripts.up", "service.__main__"])
def test_what_starts_other_processes_imports_nothing_slow_before(module: str) -> None:
    script = f"import sys, {module}; print(*sorted({SLOW!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_bridge_imports_nothing_of_models() -> None:
    script = "import sys, bridge.__main__; print(*sorted({'numpy', 'torch', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
