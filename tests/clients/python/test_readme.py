"""The blocks of the Python client's README run as they stand, against the real service."""

import re
import subprocess
import sys

import pytest

from tests.support.certificates import write_certificates
from tests.support.repository import ROOT

README = ROOT / "clients/python/README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block, running_stack, tmp_path):
    write_certificates(tmp_path)
    target = f'"{running_stack.service_address}"'
    script = block.replace('"127.0.0.1:50051"', target).replace("Client()", f"Client({target})")
    assert target in script or "gpu.example.org" in script
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
