"""The table of docs/clients.md, of what fails at first, compared with what the clients say then."""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import pytest
import runstream
from google.rpc import status_pb2

from scripts.real_clients import NODE
from tests.support.certificates import write_certificates
from tests.support.client_builds import CLIENTS, build_typescript
from tests.support.fake_service import DEMO, FakeService, failure, running
from tests.support.followed_page import sections
from tests.support.ports import unused_ports
from tests.support.repository import ROOT

IN_JAVASCRIPT = """
import { readFileSync } from "node:fs";
import { Client } from "runstream";
const [target, ca] = process.argv.slice(1);
const client = new Client({ target, maxAttempts: 1, ca: ca ? readFileSync(ca) : undefined });
const error = await client.run({ model: "m", prompt: "p" }).catch((error) => error);
console.log(`${error.constructor.name}: ${error.message}`);
"""


def rows():
    """What Python and Node.js say, in code, by what has happened."""
    text = sections((ROOT / "docs/clients.md").read_text())["When it fails"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: [re.findall(r"`([^`]+)`", cell) for cell in row[1:3]] for row in cells[2:]}


ROWS = rows()


@dataclass(frozen=True)
class Situation:
    """What fails: how the service is, and which authority the client is given, "" for plain text.

    Attributes:
        has_tls: Whether the service speaks TLS.
        authority: The service's "own", or "another".
        status: What the service answers.
        is_there: Whether it is.
    """

    has_tls: bool = False
    authority: str = ""
    status: status_pb2.Status | None = None
    is_there: bool = True


SITUATIONS = {
    "nobody listens there": Situation(is_there=False),
    "plain text to a service with TLS": Situation(has_tls=True),
    "TLS to a service without": Situation(authority="own"),
    "an authority that is not trusted": Situation(has_tls=True, authority="another"),
    "no token, or a wrong one": Situation(status=failure(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")),
    "the queue is full": Situation(status=failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")),
}


async def said_by_python(target, ca):
    """The class and the words of the error."""
    async with runstream.AsyncClient(target, tls=ca or None, max_attempts=1) as client:
        with pytest.raises(runstream.RunstreamError) as caught:
            await client.run(DEMO, prompt="Where is New York?")
    return f"{type(caught.value).__name__}: {caught.value.message}"


async def said_by_node(target, ca):
    """The same in JavaScript."""
    command = [str(NODE), "--input-type=module", "--eval", IN_JAVASCRIPT, target, str(ca)]
    process = await asyncio.create_subprocess_exec(*command, cwd=CLIENTS / "typescript", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


@pytest.mark.parametrize("situation", ROWS)
async def test_clients_say_what_the_page_has_of_it(situation, tmp_path):
    build_typescript()
    made, fake = SITUATIONS[situation], FakeService()
    files = {}
    for name in ("own", "another"):
        (tmp_path / name).mkdir()
        files[name] = write_certificates(tmp_path / name)
    pair = (files["own"].key.read_bytes(), files["own"].cert.read_bytes())
    fake.status = made.status
    async with AsyncExitStack() as stack:
        if made.is_there:
            credentials = grpc.ssl_server_credentials([pair]) if made.has_tls else None
            await stack.enter_async_context(running(fake, credentials=credentials))
        target = fake.target or f"127.0.0.1:{unused_ports(1)[0]}"
        ca = files[made.authority].ca if made.authority else ""
        said = [await said_by_python(target, ca), await said_by_node(target, ca)]
    for words, message in zip(ROWS[situation], said, strict=True):
        assert all(word in message for word in words), message


def test_the_page_has_every_situation():
    assert ROWS.keys() == SITUATIONS.keys()
