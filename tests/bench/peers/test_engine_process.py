"""Workers answer, and one that fails says why."""

import contextlib
import sys
from pathlib import Path

import pytest

from bench.peers.engine_process import WorkerProcess
from bench.peers.environments import ROOT, MissingPeerError

PYTHON = Path(sys.executable)


def test_a_worker_answers(tmp_path: Path):
    reader = WorkerProcess(PYTHON, "memory_reader", {}, ROOT, tmp_path / "log")
    with contextlib.closing(reader):
        answer = reader.ask(prompts=[], num_new_tokens=0)
    assert all(time_s > 0 for time_s in answer["times_s"][0])
    assert answer["peak_mib"] > 256 or sys.platform != "linux"


def test_an_engine_that_is_not_there_is_a_missing_peer(tmp_path: Path):
    with pytest.raises(MissingPeerError, match="No module named 'ctranslate2'"):
        WorkerProcess(PYTHON, "ctranslate2_generator", {"weights": ""}, ROOT, tmp_path / "log")
