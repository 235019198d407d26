"""The bridge on a Unix socket, and a service behind one."""

import asyncio
import json
import os
import signal
import socket
import stat

import aiohttp
import pytest

from bridge.http.unix_socket import ListenError, bound
from tests.support.bridge_process import bridge_process
from tests.support.fake_service import DEMO, running
from tests.support.running_bridge import PROMPT


@pytest.fixture
def path(tmp_path):
    """Where a socket may be."""
    return tmp_path / "a.sock"


def leave_behind(path):
    """Leaves a socket that nobody listens on, as a killed server does."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


async def run(path):
    """Asks a bridge on a socket."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http:
        url = f"http://localhost/client/v4/accounts/acc/ai/run/{DEMO}"
        async with http.post(url, json=PROMPT) as answer:
            return answer.status, json.loads(await answer.read())["result"]["response"]


@pytest.mark.parametrize("is_stale", [False, True])
async def test_a_bridge_answers_on_a_socket_that_only_its_user_reaches(service, path, is_stale):
    if is_stale:
        leave_behind(path)
    async with bridge_process("--host", f"unix:{path}", "--service", service.target) as process:
        assert await process.stdout.readline() == f"bridge listening on unix:{path}\n".encode()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await run(path) == (200, "New York")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert not path.exists()


async def test_a_socket_that_is_listened_on_is_in_use_and_stays(service, path):
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen()
        async with bridge_process("--host", f"unix:{path}", "--service", service.target) as process:
            assert await process.wait() == 1
            (line,) = (await process.stderr.read()).decode().splitlines()
        assert line.startswith(f"Error: unix:{path} is in use: ")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_socket_whose_queue_is_full_is_in_use(path):
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as client:
        living.bind(str(path))
        living.listen(0)
        client.connect(str(path))
        with pytest.raises(ListenError, match="is in use"), bound(path):
            pass


def test_what_is_no_socket_is_not_replaced(path):
    path.write_text("mine")
    with pytest.raises(ListenError, match="is there and no socket"), bound(path):
        pass
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["nowhere/a.sock", "a" * 200, ""])
def test_a_path_that_can_not_be_is_one_line_that_names_the_flag(tmp_path, name):
    with pytest.raises(ListenError, match="choose another path with --host") as raised, bound(tmp_path / name):
        pass
    assert "Errno" not in str(raised.value)


def test_what_is_made_later_has_the_users_own_mode(path):
    before = os.umask(0o022)
    try:
        with bound(path):
            (path.parent / "later").touch()
        assert stat.S_IMODE((path.parent / "later").stat().st_mode) == 0o644
    finally:
        os.umask(before)


async def test_a_service_behind_a_socket_is_asked(start_bridge, service, path):
    async with running(service, f"unix:{path}"):
        bridge = await start_bridge(service=f"unix:{path}")
        assert (await bridge.run(PROMPT)).status == 200


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_client_that_leaves_a_socket_ends_its_generation(service, path, is_streamed):
    service.gate.clear()
    async with bridge_process("--host", f"unix:{path}", "--service", service.target) as process:
        await process.stdout.readline()
        body = json.dumps({**PROMPT, "stream": is_streamed})
        _, writer = await asyncio.open_unix_connection(str(path))
        head = f"POST /client/v4/accounts/acc/ai/run/{DEMO} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\n\r\n{body}".encode())
        await service.started.wait()
        writer.close()
        await service.cancelled.wait()


def test_a_socket_is_in_use_as_soon_as_it_is_there(path):
    with bound(path), pytest.raises(ListenError, match="is in use"), bound(path):
        pass
    assert not path.exists()


def test_the_socket_of_a_server_that_came_later_stays(path):
    with socket.socket(socket.AF_UNIX) as later:
        with bound(path):
            path.unlink()
            later.bind(str(path))
            later.listen()
        assert path.exists()
