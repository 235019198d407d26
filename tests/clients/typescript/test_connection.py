"""What the TypeScript client makes of connections that break, that reach something else, and that were closed."""

import asyncio
import sys
from contextlib import asynccontextmanager

import grpc
import pytest

from tests.support.certificates import Authority, write_certificates
from tests.support.fake_service import FakeService, failure, running
from tests.support.repository import ROOT

ASKED = '{ model: "@runstream/demo", prompt: "a" }'
TOLD = "return [error.name, error.code === rs.Code.Unavailable, error.message];"
BROKE = "the connection broke before the answer was whole"
SERVICE = """
import asyncio, sys
from tests.support.fake_service import FakeService, running

async def serve(address, how):
    fake = FakeService()
    if how == "held":
        fake.gate.clear()
    async with running(fake, address):
        print("ready", flush=True)
        while await fake.started.wait():
            fake.started.clear()
            print("asked", flush=True)

asyncio.run(serve(*sys.argv[1:]))
"""


@asynccontextmanager
async def service(address, how="held"):
    """A service in a process of its own that can be killed; it prints a line when it is ready, and for each call."""
    command = [sys.executable, "-c", SERVICE, address, how]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("call", ["client.run(asked)", "client.stream(asked).result()"])
async def test_a_service_that_is_killed_during_a_call_is_unreachable(ask, unused_tcp_port, call):
    address = f"127.0.0.1:{unused_tcp_port}"
    client = f'const client = new rs.Client({{ target: "{address}", maxAttempts: 1 }}); const asked = {ASKED};'
    async with service(address) as process:
        asked = asyncio.create_task(asyncio.to_thread(ask, f"{client} const error = await name(() => {call}); {TOLD}"))
        assert await process.stdout.readline() == b"asked\n"
        process.kill()
        name, is_unavailable, message = await asked
    assert (name, is_unavailable) == ("UnreachableError", True)
    assert "CANCEL" not in message


async def test_a_run_is_asked_again_of_the_service_after_one_that_was_killed(ask, unused_tcp_port):
    address = f"127.0.0.1:{unused_tcp_port}"
    client = f'const client = new rs.Client({{ target: "{address}", waitForReady: true }});'
    async with service(address) as killed:
        asked = asyncio.create_task(asyncio.to_thread(ask, f"{client} return (await client.run({ASKED})).text;"))
        assert await killed.stdout.readline() == b"asked\n"
        killed.kill()
        await killed.wait()
        async with service(address, "answers"):
            assert await asked == "New York"


async def test_a_call_that_the_service_cancels_stays_cancelled(ask_fake, fake):
    fake.status = failure(grpc.StatusCode.CANCELLED, message="enough")
    assert await ask_fake(f"const error = await name(() => client.run({ASKED})); {TOLD}") == [
        "CallCancelledError",
        False,
        "enough",
    ]
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("server", "options", "words"),
    [
        ('http.createServer((_, answer) => answer.end("hi"))', "", "what answers there is no gRPC service"),
        ('http.createServer((_, answer) => answer.end("hi"))', "tls: true", "what answers there has no TLS: leave out"),
        ("net.createServer((socket) => socket.on('data', () => socket.destroy()))", "", BROKE),
    ],
    ids=["HTTP", "HTTP by TLS", "nothing"],
)
def test_what_is_no_service_is_unreachable_and_told(ask, server, options, words):
    names = ask(
        'const { default: http } = await import("node:http"); const { default: net } = await import("node:net");'
        f"const server = {server}; await new Promise((done) => server.listen(0, '127.0.0.1', done));"
        "const target = `127.0.0.1:${server.address().port}`;"
        f"const client = new rs.Client({{ target, maxAttempts: 1, {options} }});"
        f"const errors = []; for (let i = 0; i < 3; i++) errors.push(await name(() => client.run({ASKED})));"
        "server.close(); return errors.map((error) => [error.name, error.message]);"
    )
    assert len(names) == 3
    for name, message in names:
        assert name == "UnreachableError"
        assert words in message
        assert "\n" not in message


async def test_plain_text_to_a_service_with_tls_is_told(ask, tmp_path):
    files = write_certificates(tmp_path)
    credentials = grpc.ssl_server_credentials([(files.key.read_bytes(), files.cert.read_bytes())])
    fake = FakeService()
    async with running(fake, credentials=credentials):
        client = f'const client = new rs.Client({{ target: "{fake.target}", maxAttempts: 1 }});'
        body = f"{client} const error = await name(() => client.run({ASKED})); {TOLD}"
        name, is_unavailable, message = await asyncio.to_thread(ask, body)
    assert (name, is_unavailable) == ("UnreachableError", True)
    assert "does it speak TLS? give tls or ca" in message


async def test_a_service_that_asks_for_a_certificate_is_shown_one(ask, tmp_path):
    files, callers, fake = write_certificates(tmp_path), Authority(tmp_path / "callers"), FakeService()
    shown, pair = callers.issue("me", "laptop.example"), (files.key.read_bytes(), files.cert.read_bytes())
    async with running(fake, credentials=grpc.ssl_server_credentials([pair], callers.ca.read_bytes(), True)):
        client = f"""
            const {{ readFileSync: read }} = await import("node:fs");
            const client = (tls) => new rs.Client({{
                target: "{fake.target}", ca: read("{files.ca}"), tls, maxAttempts: 1 }});
            const tls = {{ cert: read("{shown.cert}"), key: read("{shown.key}") }};
            const error = await name(() => client(true).run({ASKED}));
            return [(await client(tls).run({ASKED})).text, error.name, error.message];
        """
        text, name, message = await asyncio.to_thread(ask, client)
    assert (text, name) == ("New York", "UnreachableError")
    assert "or cert and key in tls where it asks for a certificate" in message


@pytest.mark.parametrize(
    "call",
    [
        f"client.run({ASKED})",
        f"client.stream({ASKED}).result()",
        f"client.countTokens({ASKED})",
        "client.models.list().next()",
        'client.models.load("m")',
        'client.batches.create({ model: "m", items: ["a"] })',
        'client.batches.wait("b")',
        'client.batches.results("b").next()',
    ],
)
async def test_a_closed_client_makes_no_call(ask_fake, fake, call):
    body = f"await client.run({ASKED}); client.close(); const error = await name(() => {call}); {TOLD}"
    assert await ask_fake(body) == ["CallCancelledError", False, "the client was closed: make another one"]
    assert len(fake.requests) == 1
    assert not fake.new_batch.items
    assert not fake.sought.batch_id


async def test_a_closed_client_makes_no_call_of_other_stubs_either(ask_fake, fake):
    stub = "rs.createClient(v1.ModelService, client.transport)"
    body = f"client.close(); const error = await name(() => {stub}.getModel({{}})); {TOLD}"
    assert (await ask_fake(body))[:2] == ["ConnectError", False]
    assert fake.model_questions == 0


async def test_closing_ends_a_wait(ask_fake):
    options = "{ pollS: 1_000, onProgress: () => setImmediate(() => client.close()) }"
    error = await ask_fake(f'const error = await name(() => client.batches.wait("b", {options})); {TOLD}')
    assert error == ["CallCancelledError", False, "the client was closed: make another one"]
