"""The kernels of packed weights compile for GPUs, though none is here to run them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MOST_SHARED_BYTES = 99 * 1024
"""What a program may have on an RTX 4090; Hopper and the A100 have more."""


def compiled(folder: Path, capability: int, dtypes: str, *counts: int) -> list[dict[str, Any]]:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.compile_linears", str(capability), dtypes, *map(str, counts)],
        env=environment | {"TRITON_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(kernels: list[dict[str, Any]], count: int) -> None:
    assert len(kernels) == 1 + count
    for kernel in kernels:
        assert kernel["shared_bytes"] <= MOST_SHARED_BYTES, kernel
        assert kernel["wide_reads"] > 0 or kernel["name"] == "sum", kernel  # 16 bytes at once


def test_they_compile_for_hopper(tmp_path: Path) -> None:
    check(compiled(tmp_path, 90, "bf16", 1, 64), 6)


@pytest.mark.stress
@pytest.mark.parametrize("capability", [80, 89, 90])
def test_they_compile_for_any_number_of_rows(tmp_path: Path, capability: int) -> None:
    check(compiled(tmp_path, capability, "fp16,bf16", 1, 2, 17, 33), 20)
