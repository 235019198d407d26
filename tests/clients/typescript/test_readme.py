"""The blocks of the TypeScript client's README run as they stand, against the real service."""

import re

import pytest

from tests.support.certificates import write_certificates
from tests.support.client_builds import CLIENTS

README = CLIENTS / "typescript/README.md"
BLOCKS = re.findall(r"^```js\n(.*?)^```", README.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block, running_stack, run_script, package):
    write_certificates(package / "build")
    script = block.replace('"127.0.0.1:50051"', f'"{running_stack.service_address}"')
    assert script != block or "gpu.example.org" in script
    done = run_script(script)
    assert done.returncode == 0, done.stderr
