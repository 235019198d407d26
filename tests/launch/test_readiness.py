"""What the launcher waits for: not that something listens, but that it says it is ready."""

import asyncio
import ssl

import grpc
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scripts.readiness import bridge_is_ready, service_is_serving
from tests.support.certificates import write_certificates
from tests.support.fake_service import FakeService, running
from transport.certificates import client_files

STATES = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it comes without types
    """Gives these answers one after the other; None is a failure."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def Check(self, request, context):  # noqa: N802
        """Gives the next answer."""
        status = self.answers.pop(0)
        if status is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        return STATES(status=status)


async def test_a_service_is_waited_for_until_it_says_serving():
    health = Health(None, STATES.NOT_SERVING, STATES.SERVICE_UNKNOWN, STATES.SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    told = list[str]()
    try:
        await service_is_serving(f"127.0.0.1:{port}", None, told.append)
    finally:
        await server.stop(None)
    assert health.answers == []
    assert told == ["the service can't be asked: not yet"]


async def test_a_certificate_that_does_not_name_the_address_is_told(tmp_path):
    files, told = write_certificates(tmp_path, ("models.example",)), asyncio.Queue[str]()
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    fake = FakeService()
    async with running(fake, credentials=grpc.ssl_server_credentials([pair])):
        trusted = client_files(files.ca, None, None)
        waiting = asyncio.create_task(service_is_serving(fake.target, trusted, told.put_nowait))
        trouble = await told.get()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert f"its certificate must name 127.0.0.1 and come from {files.ca}: " in trouble


async def test_a_bridge_is_waited_for_until_it_says_ready():
    statuses = [500, 503, 404, 200]

    async def readyz(request):
        return web.Response(status=statuses.pop(0))

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await bridge_is_ready(f"http://127.0.0.1:{runner.addresses[0][1]}", None)
    finally:
        await runner.cleanup()
    assert statuses == []


async def test_a_bridge_that_hangs_up_is_asked_again(unused_tcp_port):
    asked = []

    async def hang_up_once(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if len(asked) > 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(hang_up_once, "127.0.0.1", unused_tcp_port):
        await bridge_is_ready(f"http://127.0.0.1:{unused_tcp_port}", None)
    # aiohttp itself may ask once more over a new connection.
    assert len(asked) >= 2


async def test_a_bridge_with_tls_is_asked_whatever_its_certificate_says(tmp_path):
    files = write_certificates(tmp_path, ("models.example",))

    async def readyz(request):
        return web.Response()

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        await bridge_is_ready(f"https://127.0.0.1:{runner.addresses[0][1]}", None)
    finally:
        await runner.cleanup()
