"""`python -m bridge --workers N` as processes, with real sockets."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.workers.supervisor import MAX_PAUSE_S, Deaths
from tests.support.bridge_process import bridge_process
from tests.support.fake_service import DEMO
from tests.support.processes import handles_of_descendants, needs_pidfd, wait_for_the_end_of
from tests.support.running_bridge import PROMPT

NUM_WORKERS = 2
LISTENING = "bridge listening on "
REQUESTS = "runstream_bridge_requests_total"
PATIENCE_S = 60.0

pytestmark = needs_pidfd


@contextlib.asynccontextmanager
async def workers(service, *flags):
    """Runs them; gives the process that has started them and where they listen."""
    options = ("--port", "0", "--service", service.target, "--workers", str(NUM_WORKERS), *flags)
    async with bridge_process(*options) as process:
        line = (await process.stdout.readline()).decode().strip()
        assert line.startswith(LISTENING), (await process.stderr.read()).decode()
        yield process, line.removeprefix(LISTENING)


def pids_of(process):
    return {child.pid for child in psutil.Process(process.pid).children()}


async def new_connection(url, path="/healthz"):
    """One request on a connection of its own."""
    async with aiohttp.ClientSession() as http, http.get(url + path) as answer:
        return answer.status, await answer.text()


def num_clients_of(pid, url):
    """How many connections to the bridge's port a worker has."""
    port = int(url.rpartition(":")[2])
    open_ones = [each for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_ESTABLISHED]
    return sum(each.laddr.port == port for each in open_ones)


async def until_refused(url):
    """Returns once nobody listens any more."""
    with contextlib.suppress(aiohttp.ClientError):
        while True:
            await new_connection(url)


async def samples_of(url):
    _, page = await new_connection(url, "/metrics")
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def value_of(samples, name, **labels):
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


@contextlib.asynccontextmanager
async def open_streams(url, number):
    """Streams that have begun, each on a connection of its own."""
    async with contextlib.AsyncExitStack() as stack:
        streams = []
        for _ in range(number):
            http = await stack.enter_async_context(aiohttp.ClientSession())
            post = http.post(f"{url}/client/v4/accounts/acc/ai/run/{DEMO}", json={**PROMPT, "stream": True})
            stream = await stack.enter_async_context(post)
            assert await stream.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
            streams.append(stream)
        yield streams


async def test_metrics_are_those_of_all_workers(service):
    async with workers(service) as (_, url):
        for _ in range(24):
            assert (await new_connection(url))[0] == 200
        samples, num_asked = await samples_of(url), 1
        # A worker counts an answer once it is written, when another may be asked already.
        async with asyncio.timeout(PATIENCE_S):
            while value_of(samples, REQUESTS, route="/healthz") != 24:
                samples, num_asked = await samples_of(url), num_asked + 1
            while value_of(await samples_of(url), REQUESTS, route="/metrics") != num_asked:
                num_asked += 1
        shown = {sample.labels["worker"] for sample in samples if sample.name == "process_cpu_seconds_total"}
        assert shown == {"0", "1"}
        assert not any("pid" in sample.labels for sample in samples), "a gauge has no multiprocess_mode"


async def test_streams_are_spread_over_all_workers(service):
    service.gate.clear()
    async with workers(service) as (process, url), open_streams(url, 24):
        assert all(num_clients_of(pid, url) > 0 for pid in pids_of(process))
        assert value_of(await samples_of(url), "runstream_bridge_streams_open") == 24


async def test_one_that_is_killed_takes_its_own_streams_and_comes_back(service):
    service.gate.clear()
    async with workers(service) as (process, url), open_streams(url, 16) as streams:
        killed = min(pids_of(process))
        os.kill(killed, signal.SIGKILL)
        line = (await process.stderr.readuntil(b"started again in 0.0 s")).decode()
        assert f"({killed}) ended with status -9" in line
        left = value_of(await samples_of(url), "runstream_bridge_streams_open")
        assert 0 < left < 16
        service.gate.set()
        ends = await asyncio.gather(*(is_lost(stream) for stream in streams))
        assert ends.count(False) == left
        await process.stderr.readuntil(b"listens again")
        assert len(pids_of(process) - {killed}) == NUM_WORKERS
        assert {(await new_connection(url))[0] for _ in range(16)} == {200}
        async with asyncio.timeout(PATIENCE_S):
            while value_of(await samples_of(url), "runstream_bridge_streams_open"):
                pass


async def is_lost(stream):
    """Reads a stream to its end; whether the connection broke."""
    try:
        return b"[DONE]" not in await stream.read()
    except aiohttp.ClientError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all_of_them(service, number):
    service.gate.clear()
    async with workers(service, "--shutdown-grace-s", "0") as (process, url), open_streams(url, 8) as streams:
        handles = handles_of_descendants(process.pid)
        process.send_signal(number)
        for stream in streams:
            assert b"The server is shutting down." in await stream.read()
        assert await process.wait() == 0
        await asyncio.to_thread(wait_for_the_end_of, handles)
        assert b"Traceback" not in await process.stderr.read()


async def test_none_is_left_when_the_process_that_started_them_is_killed(service):
    options = ("--port", "0", "--service", service.target, "--workers", "2")
    with tempfile.TemporaryDirectory() as folder:
        async with bridge_process(*options, TMPDIR=folder) as process:
            await process.stdout.readline()
            handles = handles_of_descendants(process.pid)
            process.kill()
            await asyncio.to_thread(wait_for_the_end_of, handles)
        assert os.listdir(folder) == []


async def test_a_second_signal_ends_them_without_grace(service):
    service.gate.clear()
    async with workers(service, "--shutdown-grace-s", "600") as (process, url), open_streams(url, 4) as streams:
        handles = handles_of_descendants(process.pid)
        process.terminate()
        await until_refused(url)
        process.terminate()
        assert await process.wait() == 0
        await asyncio.to_thread(wait_for_the_end_of, handles)
        assert all(await asyncio.gather(*(is_lost(stream) for stream in streams)))


async def test_a_unix_socket_is_shared(service, tmp_path):
    path = tmp_path / "bridge.sock"
    options = ("--host", f"unix:{path}", "--service", service.target, "--workers", "2")
    async with bridge_process(*options) as process:
        assert (await process.stdout.readline()).decode().strip() == f"{LISTENING}unix:{path}"
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as http:
            assert (await http.get("http://localhost/healthz")).status == 200
        process.terminate()
        assert await process.wait() == 0
    assert not path.exists()


@pytest.mark.parametrize("option", [None, socket.SO_REUSEPORT])
async def test_a_port_in_use_is_one_line(option):
    with socket.socket() as taken:
        if option:
            taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with bridge_process("--port", str(port), "--workers", "2") as process:
            assert await process.wait() == 1
            (line,) = (await process.stderr.read()).decode().splitlines()
    assert line.startswith(f"Error: port {port} of 127.0.0.1 is in use")


async def test_what_keeps_workers_from_beginning_is_one_line(tmp_path):
    missing = tmp_path / "missing.pem"
    async with bridge_process("--port", "0", "--workers", "2", "--service-ca", str(missing)) as process:
        assert await process.wait() == 1
        (line,) = (await process.stderr.read()).decode().splitlines()
    assert line.startswith("Error: ")
    assert str(missing) in line


async def test_recent_requests_are_those_of_all_workers(service):
    async with workers(service) as (_, url):
        for _ in range(12):
            async with aiohttp.ClientSession() as http:
                assert (await http.post(f"{url}/client/v4/accounts/acc/ai/run/{DEMO}", json=PROMPT)).status == 200
        async with aiohttp.ClientSession() as http, http.get(f"{url}/status/data") as answer:
            data = await answer.json()
    ended_at = [request["ended_at"] for request in data["recent_requests"]]
    assert len(ended_at) == 12
    assert ended_at == sorted(ended_at, reverse=True)
    assert data["bridge"]["requests"][0]["count"] == 12


def test_pauses_grow_to_a_bound_and_shrink_when_deaths_are_old():
    deaths = Deaths()
    assert [deaths.pause_s(0.0) for _ in range(4)] == [0.0, 0.1, 0.2, 0.4]
    assert [deaths.pause_s(1.0) for _ in range(10)][-1] == MAX_PAUSE_S
    assert deaths.pause_s(120.0) == 0.0
