"""`python -m service` as a process: its start, its refusals in one line, its end without leftovers."""

import signal
import socket
import subprocess
from collections.abc import Iterator

import grpc
import pytest
from click.testing import CliRunner
from runstream.v1 import text_generation_pb2_grpc

from service.__main__ import main
from tests.support.certificates import write_certificates
from tests.support.running_service import MODEL, ask
from tests.support.scripted_engine import scripted_engine_option
from tests.support.service_process import ROOT, children, command, is_running


def last_line(*options: object) -> str:
    """The line with which a service that can't start ends, asked for in this process."""
    ended = CliRunner().invoke(main, ["--port", "0", "--metrics-port", "0", *map(str, options)])
    assert ended.exit_code == 1
    return ended.output.strip().splitlines()[-1]


@pytest.fixture(params=[()])
def started(catalog_file, request) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A ready process and its address; the test may give it more options."""
    arguments = command("--catalog", catalog_file, "--models", MODEL, *request.param)
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"loading {MODEL} on cpu ...\n"
        ready, _, address = process.stdout.readline().strip().rpartition(" ")
        assert ready == "service listening on"
        yield process, address
        process.kill()


@pytest.mark.parametrize(
    ("started", "received"),
    [((), signal.SIGTERM), (scripted_engine_option(), signal.SIGINT)],
    ids=["SIGTERM", "SIGINT"],
    indirect=["started"],
)
def test_a_signal_ends_service_and_engine(started, received):
    process, address = started
    with grpc.insecure_channel(address) as channel:
        answer = text_generation_pb2_grpc.TextGenerationServiceStub(channel).Run(ask(max_tokens=3))
    assert answer.usage.completion_tokens == 3
    engines = children(process.pid)
    assert engines
    process.send_signal(received)
    assert process.wait(timeout=120) == 0
    assert not any(is_running(pid) for pid in engines)


def test_two_models_are_loaded_side_by_side_in_a_fresh_process(catalog_file):
    second = catalog_file.with_name("second.toml")
    second.write_text(catalog_file.read_text().replace(MODEL, "@test/second"))
    models = ("--models", f"{MODEL},@test/second")
    arguments = command("--catalog", catalog_file, "--catalog", second, *models, *scripted_engine_option())
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        *lines, ready = (process.stdout.readline() for _ in range(3))
        process.kill()
    assert [line.split()[0] for line in lines] == ["loading", "loading"]
    assert ready.startswith("service listening on")


def test_a_port_in_use_is_told_in_one_line_with_its_flag(catalog_file):
    tiny = ("--catalog", catalog_file, "--models", MODEL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = last_line(*tiny, "--port", port)
        metrics_line = last_line(*tiny, "--metrics-port", port)
    assert line == f"error: port {port} on 127.0.0.1 is in use: choose another with --port"
    assert metrics_line == f"error: port {port} on 127.0.0.1 is in use: choose another with --metrics-port"


def test_a_model_that_the_catalog_lacks_is_told_in_one_line():
    assert "the catalog has no model @test/unknown to load, only @runstream/demo" in last_line(
        "--models", "@test/unknown"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--models", ","), "--models is empty"),
        (("--max-num-seqs", 1000), "--max-num-batched-tokens 512 is less than --max-num-seqs 1000"),
        (("--host", "0.0.0.0"), "--host 0.0.0.0 lets other machines in without a token"),
        (("--host", "0.0.0.0", "--token", "a"), "--host 0.0.0.0 has tokens sent in clear text"),
        (("--token-file", "/nowhere/token"), "--token-file: there is no token file /nowhere/token: write one"),
    ],
)
def test_settings_that_make_no_sense_are_told_in_one_line(options, message):
    assert message in last_line(*options)


def test_an_ipv6_address_may_have_the_brackets_of_a_url(catalog_file):
    arguments = command("--catalog", catalog_file, "--models", MODEL, "--load", "on-use", "--host", "[::1]")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("service listening on [::1]:")
        process.terminate()


def test_a_model_without_weights_is_told_with_the_command_that_fetches_them(catalog_file):
    arguments = command("--catalog", catalog_file, "--models", "@test/absent")
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    (told,) = ended.stderr.splitlines()
    assert f"python -m service pull @test/absent --catalog {catalog_file}" in told


def test_help_shows_flags_with_their_variables():
    ended = subprocess.run(command("--help"), cwd=ROOT, capture_output=True, text=True, check=True)
    for name in ("PORT", "MODELS", "STAND_IN", "CATALOG", "TOKEN_FILE", "DRAIN_TIMEOUT_S"):
        assert f"RUNSTREAM_SERVICE_{name}" in ended.stdout


def test_a_service_with_tls_says_so_and_one_with_half_of_it_does_not_start(catalog_file, tmp_path):
    files = write_certificates(tmp_path)
    arguments = ("--catalog", catalog_file, "--models", MODEL, "--load", "on-use", "--tls-cert", files.cert)
    assert last_line(*arguments) == "error: --tls-cert and --tls-key belong together: give both, or neither"
    with subprocess.Popen(
        command(*arguments, "--tls-key", files.key), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
    assert line.startswith("service listening on 127.0.0.1:")
    assert line.endswith(" with TLS\n")
