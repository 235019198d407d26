"""The real bridge on a real socket, and a client of it."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from accounts.known_tokens import KnownTokens, Tokens
from accounts.tokens import Token
from bridge.app import build_app
from bridge.config import Config
from bridge.http.connection import Runner
from bridge.http.listening import Site, bind
from bridge.http.tls import ServerContext
from tests.support.fake_service import DEMO

PROMPT = {"prompt": "where is new york?"}


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Any
    body: bytes

    @property
    def error(self) -> tuple[int, int, str]:
        """Its status, its code and its message without the request's id."""
        (entry,) = json.loads(self.body)["errors"]
        request_id = f" ({self.headers['cf-ai-req-id']})"
        return self.status, entry["code"], entry["message"].removesuffix(request_id)


@dataclass
class Bridge:
    """A running bridge and a client of it."""

    runner: Runner
    http: aiohttp.ClientSession
    url: str

    @property
    def run_url(self) -> str:
        """Where the demo model is run for the account "acc"."""
        return f"{self.url}/client/v4/accounts/acc/ai/run/{DEMO}"

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Sends a request and reads the whole answer."""
        async with self.http.request(method, self.url + path, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def run(self, body: object, model: str = DEMO, **options: Any) -> Answer:
        """Sends a run request; bytes go as they are."""
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        return await self.ask("POST", f"/client/v4/accounts/acc/ai/run/{model}", data=data, **options)


@asynccontextmanager
async def running_bridge(config: Config, tokens: tuple[Token, ...] | Tokens = ()) -> AsyncIterator[Bridge]:
    """Runs the real application on a free port of loopback; without tokens nobody needs one."""
    known = KnownTokens(tokens) if isinstance(tokens, tuple) else tokens
    runner = Runner(build_app(config, known if tokens else None))
    await runner.setup()
    context = ServerContext(files) if (files := config.tls_files) else None
    await Site(runner, await bind("127.0.0.1", 0), context).start()
    try:
        async with aiohttp.ClientSession() as http:
            yield Bridge(runner, http, f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
