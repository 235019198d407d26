"""What is left of a model that a running service has unloaded, measured, and the commands that do it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from runstream.v1 import models_pb2, models_pb2_grpc, text_generation_pb2_grpc

from tests.support.running_service import MODEL, ask
from tests.support.scripted_engine import scripted_engine_option
from tests.support.service_process import ROOT, children, command

MIB = 1 << 20
KV_CACHE_MIB = 64


@pytest.fixture(params=[()])
def started(catalog_file, request) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has loaded nothing yet, and its address; the test may give it more options."""
    options = ("--catalog", catalog_file, "--models", MODEL, "--load", "on-use", "--kv-cache-memory-mib", KV_CACHE_MIB)
    with subprocess.Popen(command(*options, *request.param), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip().rpartition(" ")[2]
        process.kill()


def anonymous_bytes(pid: int) -> int:
    """RssAnon: the memory that a process has for itself."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def tell(what: str, model: str, address: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "service", what, model, "--service", address]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def unload(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        models_pb2_grpc.ModelServiceStub(channel).UnloadModel(models_pb2.UnloadModelRequest(model=MODEL))


def run(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        return stub.Run(ask("word " * 300, max_tokens=20)).usage.completion_tokens


def test_unloading_gives_the_memory_back(started, capsys):
    process, address = started
    assert children(process.pid) == []
    run(address)
    unload(address)
    after_first = anonymous_bytes(process.pid)
    for _ in range(2):
        run(address)
        (engine,) = children(process.pid)
        engine_bytes = anonymous_bytes(engine)
        unload(address)
        assert (children(process.pid), Path(f"/proc/{engine}").exists()) == ([], False)
    grown_bytes = anonymous_bytes(process.pid) - after_first
    with capsys.disabled():
        print(f"\nunloading gave back {engine_bytes / MIB:.0f} MiB; two rounds left {grown_bytes / MIB:.1f} MiB")
    assert engine_bytes > 50 * MIB
    assert grown_bytes < 10 * MIB


@pytest.mark.parametrize("started", [scripted_engine_option()], indirect=True)
def test_a_model_is_loaded_and_unloaded_from_the_command_line(started):
    process, address = started
    loaded = tell("load", MODEL, address)
    assert (loaded.stdout, loaded.returncode) == (f"{MODEL}: READY\n", 0)
    assert len(children(process.pid)) == 1
    assert tell("unload", MODEL, address).stdout.startswith(f"{MODEL}: UNLOADED: it was unloaded; a request loads")
    missing = tell("load", "@test/absent", address)
    assert (missing.returncode, "pull @test/absent" in missing.stderr) == (1, True)
    assert missing.stderr.startswith(f"error: {address}: The weights of")
