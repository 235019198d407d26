"""One bridge and several services, without a proxy between them."""

import asyncio
import contextlib
import struct

import grpc
import pytest

from bridge.config import Config
from bridge.http.addresses import check_target
from bridge.upstream.balancing import is_balanced, to_target
from service.rpc.http2 import server_options
from tests.support.certificates import write_certificates
from tests.support.fake_service import FakeService, failure, part, running, several_running
from tests.support.running_bridge import PROMPT, running_bridge

STREAM = {**PROMPT, "stream": True}
UNAVAILABLE = failure(grpc.StatusCode.UNAVAILABLE, message="gone")
PATIENCE_S = 60.0


@pytest.fixture
async def services():
    async with several_running(3) as fakes:
        yield fakes


@pytest.fixture
async def bridge(services):
    async with running_bridge(Config(service=",".join(fake.target for fake in services))) as bridge:
        yield bridge


def counts(services):
    return [len(fake.requests) for fake in services]


async def until_connected(bridge, services):
    """Asks until each service has answered."""
    async with asyncio.timeout(PATIENCE_S):
        while not all(fake.requests for fake in services):
            assert (await bridge.run(PROMPT)).status == 200
    for fake in services:
        fake.requests.clear()


async def test_requests_go_to_each_in_turn(services, bridge):
    await until_connected(bridge, services)
    for _ in range(9):
        await bridge.run(PROMPT)
    assert counts(services) == [3, 3, 3]


async def test_one_that_does_not_serve_gets_nothing_until_it_does(services, bridge):
    await until_connected(bridge, services)
    await services[0].set_serving(False)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for fake in services:
                fake.requests.clear()
            assert {(await bridge.run(PROMPT)).status for _ in range(6)} == {200}
            if not services[0].requests:
                break
    await services[0].set_serving(True)
    await until_connected(bridge, services)


async def test_what_one_has_not_taken_another_one_answers(services, bridge):
    await until_connected(bridge, services)
    services[0].status, services[0].parts = UNAVAILABLE, []
    for _ in range(3):
        answer = await bridge.run(STREAM)
        assert answer.status == 200
        assert answer.body.startswith(b'data: {"response":"New"}\n\ndata: {"response":" York"}\n\n')
    assert services[0].requests, "or nothing was tried again"


async def test_what_has_begun_is_not_tried_again(services, bridge):
    for fake in services:
        fake.status, fake.parts = UNAVAILABLE, [part("New")]
    answer = await bridge.run(STREAM)
    assert answer.body.count(b'"response":"New"') == 1
    assert b"can't be reached" in answer.body
    assert sum(counts(services)) == 1


async def test_where_none_answers_the_last_error_is_told(services, bridge):
    for fake in services:
        fake.status = UNAVAILABLE
    answer = await bridge.run(PROMPT)
    assert answer.status == 503
    assert sum(counts(services)) == 3


async def test_a_session_stays_and_sessions_are_spread(services, bridge):
    used = set()
    for number in range(12):
        for fake in services:
            fake.requests.clear()
        for _ in range(3):
            await bridge.run(PROMPT, headers={"x-session-affinity": f"session {number}"})
        assert sorted(counts(services)) == [0, 0, 3]
        used.add(tuple(counts(services)))
    assert len(used) > 1


@pytest.mark.parametrize("said", ["s" * 129, "Sitzung \u00fc"])
async def test_a_session_that_can_not_be_metadata_is_told_by_its_hash(services, bridge, said):
    for _ in range(3):
        await bridge.run(PROMPT, headers={"x-session-affinity": said})
    (asked,) = [fake for fake in services if fake.requests]
    assert len(asked.requests) == 3
    assert len(asked.metadata["x-session-affinity"]) == 64


async def test_an_accounts_batches_are_kept_by_one(services, bridge):
    keepers = set()
    for number in range(12):
        for fake in services:
            fake.metadata = {}
        path = f"/client/v4/accounts/account-{number}/ai/run/@runstream/demo?queueRequest=true"
        for body in ({"requests": [PROMPT]}, {"request_id": "batch-1"}):
            headers = {"x-session-affinity": "another for each"} if "request_id" in body else {}
            answer = await bridge.ask("POST", path, json=body, headers=headers)
            assert answer.status == 200, answer.body
        (keeper,) = [index for index, fake in enumerate(services) if fake.metadata]
        keepers.add(keeper)
    assert len(keepers) > 1


async def test_several_are_asked_by_tls_under_their_common_name(tmp_path):
    files = write_certificates(tmp_path, ("models.example",))
    credentials = grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])
    fakes = [FakeService(), FakeService()]
    async with contextlib.AsyncExitStack() as stack:
        for fake in fakes:
            await stack.enter_async_context(running(fake, credentials=credentials))
        service = ",".join(fake.target for fake in fakes)
        for name, status in (("models.example", 200), ("other.example", 503)):
            config = Config(service=service, service_ca=files.ca, service_name=name)
            async with running_bridge(config) as bridge:
                assert {(await bridge.run(PROMPT)).status for _ in range(6)} == {status}


class Names(asyncio.DatagramProtocol):
    """A name server for whatever is asked: its addresses.

    Attributes:
        addresses: Those of IPv4.
    """

    def __init__(self, *addresses):
        self.addresses = addresses

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, query, peer):
        end = query.index(b"\0", 12) + 5
        is_ipv4 = query[end - 4 : end - 2] == b"\0\1"
        found = self.addresses if is_ipv4 else ()
        head = query[:2] + struct.pack("!5H", 0x8180, 1, len(found), 0, 0)
        records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + bytes(map(int, one.split("."))) for one in found]
        self._transport.sendto(head + query[12:end] + b"".join(records), peer)


async def test_a_service_that_has_come_gets_calls_once_a_connection_is_old():
    async with contextlib.AsyncExitStack() as stack:
        first, second = FakeService(), FakeService()
        options = server_options(100, 100, max_age_s=0.5)
        await stack.enter_async_context(running(first, options=options))
        port = first.target.rpartition(":")[2]
        loop = asyncio.get_running_loop()
        transport, names = await loop.create_datagram_endpoint(lambda: Names("127.0.0.1"), ("127.0.0.1", 0))
        stack.callback(transport.close)
        server = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        config = Config(service=f"dns://{server}/models.example:{port}")
        bridge = await stack.enter_async_context(running_bridge(config))
        first.gate.clear()
        stream = await bridge.http.post(bridge.run_url, json=STREAM)
        assert await stream.content.readuntil(b"\n\n") == b'data: {"response":"New"}\n\n'
        await stack.enter_async_context(running(second, f"127.0.0.2:{port}"))
        names.addresses = ("127.0.0.1", "127.0.0.2")
        async with asyncio.timeout(PATIENCE_S):
            while not second.requests:
                await bridge.ask("GET", "/readyz")
                asking = asyncio.create_task(bridge.run(PROMPT))
                first.gate.set()
                assert (await asking).status == 200
        assert (await stream.read()).endswith(b"data: [DONE]\n\n"), "what runs goes on"


@pytest.mark.parametrize(
    ("service", "target", "is_several"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051", False),
        ("unix:/run/service.sock", "unix:/run/service.sock", False),
        ("10.0.0.1:50051,10.0.0.2:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051", True),
        ("[fd00::1]:50051,[fd00::2]:50051", "ipv6:[fd00::1]:50051,[fd00::2]:50051", True),
        ("ipv4:10.0.0.1:50051,10.0.0.2:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051", True),
        ("dns:///models.example:50051", "dns:///models.example:50051", True),
    ],
)
def test_what_several_services_are(service, target, is_several):
    check_target(service)
    assert to_target(service) == target
    assert is_balanced(service) is is_several


@pytest.mark.parametrize(
    "service",
    [
        "a.example:1,b.example:1",
        "10.0.0.1:1,[fd00::1]:1",
        "10.0.0.1:1,10.0.0.2",
        "10.0.0.1:1,",
        ",",
        "10.0.0.1:0,10.0.0.2:1",
    ],
)
def test_what_several_services_are_not(service):
    with pytest.raises(ValueError, match=r"give several as 10\.0\.0\.1:50051,10\.0\.0\.2:50051"):
        check_target(service)
