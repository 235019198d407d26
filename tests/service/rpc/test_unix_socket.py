"""The service on a Unix socket."""

import asyncio
import socket
import stat
import urllib.request

import pytest

from service.config import ConfigError
from service.rpc.ports import address, listen_on_socket
from service.server import Service
from tests.support.running_service import ask, config, run_service
from tests.support.scripted_engine import scripted_engine


@pytest.fixture
def path(tmp_path):
    """Where a socket may be."""
    return tmp_path / "a.sock"


def refuse(target):
    """What gRPC does where it can't listen."""
    raise RuntimeError(f"Failed to bind to address {target}")


@pytest.mark.parametrize("is_stale", [False, True])
async def test_a_service_answers_on_a_socket_that_only_its_user_reaches(catalog_file, path, is_stale):
    if is_stale:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
    settings = config(catalog_file, host=f"unix:{path}", default_timeout_s=5.0, engine_command=scripted_engine())
    async with run_service(settings) as running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await running.text_generation.Run(ask(max_tokens=2))).usage.completion_tokens == 2
        assert running.service.port == 0
    assert not path.exists()


async def test_a_socket_that_is_listened_on_is_in_use_and_stays(catalog_file, path):
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        service = Service(config(catalog_file, host=f"unix:{path}"), print)
        with pytest.raises(ConfigError, match="is in use: choose another path with --host"):
            await service.start()
        await service.stop()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_what_is_no_socket_is_not_replaced(path):
    path.write_text("mine")
    with pytest.raises(ConfigError, match="is there and no socket: choose another path"):
        listen_on_socket(path, refuse)
    assert path.read_text() == "mine"


def test_a_path_that_can_not_be_is_one_line(path):
    with pytest.raises(ConfigError, match="give --host a path in a folder that is yours"):
        listen_on_socket(path / "nowhere", refuse)


async def test_metrics_beside_a_socket_are_on_loopback(catalog_file, path, unused_tcp_port_factory):
    port = unused_tcp_port_factory()
    async with run_service(config(catalog_file, host=f"unix:{path}", metrics_port=port, load="on-use")):
        answer = await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics")
        assert answer.status == 200


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "batches-7.sqlite"), ("unix:/run/me/a.sock", "batches-run-me-a.sock.sqlite")],
)
def test_batches_are_kept_in_a_file_of_the_services_own(catalog_file, host, name):
    file = config(catalog_file, host=host, batch_db="").batch_db_of(7)
    assert file is not None
    assert file.name == name


@pytest.mark.parametrize(
    ("host", "written"), [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("unix:/a.sock", "unix:/a.sock")]
)
def test_where_it_listens_is_told_as_one_gives_it_to_a_client(host, written):
    assert address(host, 7) == written
