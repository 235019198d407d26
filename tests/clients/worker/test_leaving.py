"""Whoever leaves a Worker's answer, or aborts what a Worker asked, frees the sequence in the engine."""

import asyncio
import http.client
import socket
import struct
from urllib.parse import urlsplit

import pytest
import requests

from tests.support import seeds
from tests.support.checkpoints import save_tiny_model
from tests.support.metric_samples import samples
from tests.support.running_stack import run_stack
from tests.support.scripted_engine import scripted_engine_variable
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

PATIENCE_S = 60
RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # what merely ends is noticed by workerd once it writes, not before
CATALOG = f"""
[models."{seeds.MODEL}"]
description = "A random model that never ends by itself."
checkpoint = "./tiny"
dtype = "float32"
max_prompt_tokens = 1000
max_completion_tokens = 30000
context_window = 32000
default_max_tokens = 30000
default_max_tokens_streamed = 30000
"""


@pytest.fixture(scope="module")
def endless_stack(tmp_path_factory):
    """Service and bridge with a model whose answers take long, under the name that the documentation asks for."""
    folder = tmp_path_factory.mktemp("endless")
    tokenizer = byte_level_tokenizer(512)
    vocab_size = tokenizer.get_vocab_size()
    save_tiny_model(folder / "tiny", vocab_size=vocab_size, max_position_embeddings=32_768, eos_token_id=None)
    save_tokenizer(folder / "tiny", tokenizer, eos_token=None)
    (folder / "catalog.toml").write_text(CATALOG)
    settings = {"CATALOG": str(folder / "catalog.toml"), "MODELS": seeds.MODEL, "STAND_IN": seeds.MODEL}
    variables = {f"RUNSTREAM_SERVICE_{name}": value for name, value in settings.items()}
    with run_stack(**variables, **scripted_engine_variable(200)) as stack:
        yield stack


@pytest.fixture(scope="module")
def endless_site(serve, endless_stack):
    """Where the site with that model answers."""
    with serve(endless_stack.url) as url:
        yield url


class Meter:
    """What the engine tells of its requests."""

    def __init__(self, port):
        self._port = port

    async def read(self):
        """How many requests run, and how many have been cancelled."""
        found = await samples(self._port)
        running = found["runstream_num_requests_running", seeds.MODEL]
        return running, found.get(("runstream_request_failure_total", "CANCELLED"), 0.0)

    async def until(self, running, cancelled):
        """Waits until it reads so."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.read() != (running, cancelled):
                pass


@pytest.fixture
async def meter(endless_stack):
    """The engine's meter; nothing runs."""
    meter = Meter(endless_stack.metrics_port)
    assert (await meter.read())[0] == 0
    return meter


@pytest.mark.parametrize("path", ["/", "/worker-endpoint", "/env-ai"])
async def test_a_reader_that_leaves_the_stream(endless_site, meter, path):
    _, cancelled = await meter.read()
    with await asyncio.to_thread(requests.get, endless_site + path, stream=True, timeout=PATIENCE_S) as answer:
        lines = answer.iter_lines()  # without anybody who holds it, the connection is closed
        first = await asyncio.to_thread(next, lines)
        assert first.startswith(b'data: {"response":')
        await meter.until(1, cancelled)
    await meter.until(0, cancelled + 1)


@pytest.mark.parametrize("serve", ["miniflare", "workerd"], indirect=True)  # wrangler's proxy notices nothing either
@pytest.mark.parametrize("path", ["/whole", "/env-ai-whole"])
async def test_a_client_that_resets_its_connection_before_the_whole_answer(endless_site, meter, path):
    _, cancelled = await meter.read()
    client = http.client.HTTPConnection(urlsplit(endless_site).netloc, timeout=PATIENCE_S)
    client.request("GET", path)
    await meter.until(1, cancelled)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    client.close()
    await meter.until(0, cancelled + 1)


async def test_a_worker_that_aborts(endless_site, meter):
    _, cancelled = await meter.read()
    answer = await asyncio.to_thread(requests.get, f"{endless_site}/aborting", timeout=PATIENCE_S)
    told = answer.json()
    assert told["first"].startswith('data: {"response":')
    assert told["name"] == "AbortError"
    await meter.until(0, cancelled + 1)
