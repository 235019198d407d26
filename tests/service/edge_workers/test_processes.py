"""A service with edge workers as a process: its end, with TLS, and what it refuses."""

import signal
import subprocess

import grpc
import pytest
from runstream.v1 import text_generation_pb2_grpc

from service.config import ConfigError
from tests.support.certificates import write_certificates
from tests.support.processes import handles_of_descendants, needs_pidfd, wait_for_the_end_of
from tests.support.running_service import MODEL, ask, config
from tests.support.scripted_engine import scripted_engine_option
from tests.support.service_process import ROOT, command

pytestmark = needs_pidfd


@pytest.fixture
def started(catalog_file, tmp_path):
    """A ready process with TLS, and a stub that asks it."""
    files = write_certificates(tmp_path)
    options = ("--catalog", catalog_file, "--models", MODEL, "--edge-workers", 2, "--batch-db", "none")
    engine = scripted_engine_option(200)
    tls = ("--tls-cert", files.cert, "--tls-key", files.key)
    with subprocess.Popen(command(*options, *engine, *tls), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        line = process.stdout.readline().strip()
        assert line.endswith(" with TLS")
        target = line.removesuffix(" with TLS").rpartition(" ")[2]
        with grpc.secure_channel(target, grpc.ssl_channel_credentials(files.ca.read_bytes())) as channel:
            yield process, text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        process.kill()


def test_sigterm_lets_a_call_go_on_to_its_end(started):
    process, stub = started
    stream = stub.RunStream(ask(max_tokens=200))
    next(stream)
    handles = handles_of_descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    *_, last = stream
    assert last.usage.completion_tokens == 200
    assert process.wait(timeout=60) == 0
    wait_for_the_end_of(handles)


@pytest.mark.parametrize("received", [signal.SIGINT, signal.SIGKILL])
def test_none_is_left(started, received):
    process, stub = started
    stream = stub.RunStream(ask(max_tokens=20_000))
    next(stream)
    handles = handles_of_descendants(process.pid)
    process.send_signal(received)
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    process.wait(timeout=60)
    wait_for_the_end_of(handles)


def test_a_unix_socket_can_not_be_shared(catalog_file, tmp_path):
    with pytest.raises(ConfigError, match="--edge-workers 2 needs a port"):
        config(catalog_file, host=f"unix:{tmp_path}/s.sock", edge_workers=2)
