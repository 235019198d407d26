"""The benchmark of the running server runs."""

import subprocess
import sys

import pytest

from tests.support.running_service import MODEL


@pytest.mark.stress
def test_the_table_has_a_row_for_each_way(chain_catalog):
    options = ["--model", MODEL, "--catalog", str(chain_catalog), "--streams", "2", "--rounds", "1"]
    ran = subprocess.run([sys.executable, "-m", "bench.serving", *options], capture_output=True, text=True, check=True)
    rows = [line.split(" | ") for line in ran.stdout.splitlines() if line.startswith("| 2 ")]
    assert [row[1] for row in rows] == ["engine alone", "gRPC", "REST, SSE"]
    assert all(float(row[2]) > 0 for row in rows)
