"""Greedy requests by every way in, each of which must hear its end, whatever dies meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from tests.support.metric_samples import samples
from tests.support.separate_stack import SeparateStack

DEMO = "@runstream/demo"
PATIENCE_S = 120.0
"""After how long a request that has not heard its end counts as stuck."""

ANSWERED, TOLD, LOST = "answered", "told", "lost"
"""How a request ends: with its answer, with an error that says so, or with its connection."""


@dataclass(frozen=True)
class End:
    """How a request ended.

    Attributes:
        kind: `ANSWERED`, `TOLD` or `LOST`.
        text: The answer, or what the error said.
    """

    kind: str
    text: str


@dataclass
class Asker:
    """Asks one stack, over HTTP and gRPC.

    Attributes:
        url: Where the bridge is.
        http, stub: The clients.
        has_begun: Is set whenever a stream has its first text.
    """

    url: str
    http: aiohttp.ClientSession
    stub: Any
    num_begun: int = 0
    has_begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def native(self, number: int, max_tokens: int) -> End:
        """Asks for JSON."""
        return await self._over_http(
            self._run_url, self._body(number, max_tokens), lambda got: got["result"]["response"]
        )

    async def native_stream(self, number: int, max_tokens: int) -> End:
        """Asks for server-sent events."""
        body = {**self._body(number, max_tokens), "stream": True}
        return await self._over_sse(self._run_url, body, lambda event: event.get("response") or "")

    async def openai_stream(self, number: int, max_tokens: int) -> End:
        """Asks OpenAI's route for server-sent events."""
        body = self._body(number, max_tokens)
        messages = [{"role": "user", "content": body.pop("prompt")}]
        body |= {"model": DEMO, "messages": messages, "stream": True}

        def text_of(chunk: dict[str, Any]) -> str:
            return "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))

        return await self._over_sse(f"{self.url}/v1/chat/completions", body, text_of)

    async def run(self, number: int, max_tokens: int) -> End:
        """Asks over gRPC for a whole answer."""
        try:
            return End(ANSWERED, (await self.stub.Run(self._request(number, max_tokens))).text)
        except grpc.aio.AioRpcError as error:
            return End(TOLD, f"{error.code().name}: {error.details()}")

    async def run_stream(self, number: int, max_tokens: int) -> End:
        """Asks over gRPC for a stream."""
        text = ""
        try:
            async for part in self.stub.RunStream(self._request(number, max_tokens)):
                self._begin(is_first=not text)
                text += part.text
        except grpc.aio.AioRpcError as error:
            return End(TOLD, f"{error.code().name}: {error.details()}")
        return End(ANSWERED, text)

    @property
    def ways(self) -> dict[str, Callable[[int, int], Coroutine[Any, Any, End]]]:
        """All of them, by name."""
        ways = (self.native, self.native_stream, self.openai_stream, self.run, self.run_stream)
        return {way.__name__: way for way in ways}

    async def until_begun(self, number: int) -> None:
        """Waits until so many streams have begun since the last time."""
        async with asyncio.timeout(PATIENCE_S):
            while self.num_begun < number:
                self.has_begun.clear()
                await self.has_begun.wait()
        self.num_begun = 0

    @property
    def _run_url(self) -> str:
        return f"{self.url}/client/v4/accounts/acc/ai/run/{DEMO}"

    def _body(self, number: int, max_tokens: int) -> dict[str, Any]:
        prompt = f"What is {number} plus {number + 1}?"
        return {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True}

    def _request(self, number: int, max_tokens: int) -> pb.RunRequest:
        params = pb.SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
        message = pb.Message(role="user", content=[pb.ContentPart(text=self._body(number, max_tokens)["prompt"])])
        return pb.RunRequest(model=DEMO, conversation=pb.Conversation(messages=[message]), sampling_params=params)

    def _begin(self, *, is_first: bool) -> None:
        if is_first:
            self.num_begun += 1
            self.has_begun.set()

    async def _over_http(self, url: str, body: dict[str, Any], text_of: Callable[[dict[str, Any]], str]) -> End:
        try:
            async with self.http.post(url, json=body) as response:
                content = await response.read()
        except aiohttp.ClientError as error:
            return End(LOST, repr(error))
        if response.status == 200:
            return End(ANSWERED, text_of(json.loads(content)))
        return End(TOLD, f"{response.status} {response.headers.get('Retry-After')}: {content.decode()}")

    async def _over_sse(self, url: str, body: dict[str, Any], text_of: Callable[[dict[str, Any]], str]) -> End:
        text, last = "", b""
        try:
            async with self.http.post(url, json=body) as response:
                if response.status != 200:
                    return End(TOLD, f"{response.status}: {(await response.read()).decode()}")
                async for line in response.content:
                    last = line if line.startswith(b"data: ") else last
                    if line.startswith(b"data: {"):
                        event = json.loads(line.removeprefix(b"data: "))
                        self._begin(is_first=not text)
                        text += text_of(event)
        except aiohttp.ClientError as error:
            return End(LOST, repr(error))
        if last == b"data: [DONE]\n":
            return End(ANSWERED, text)
        return End(TOLD, last.decode()) if b"error" in last else End(LOST, last.decode())


@asynccontextmanager
async def asking(stack: SeparateStack) -> AsyncIterator[Asker]:
    """Clients of a stack."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http,
        # It is to find a service again at once, not after gRPC's own pauses.
        grpc.aio.insecure_channel(
            f"127.0.0.1:{stack.service_port}", options=[("grpc.max_reconnect_backoff_ms", 200)]
        ) as channel,
    ):
        yield Asker(stack.url, http, text_generation_pb2_grpc.TextGenerationServiceStub(channel))


async def until_idle(stack: SeparateStack) -> None:
    """Waits until the engine has nothing to run and all blocks are free."""
    names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await samples(stack.metrics_port)
            if not any(found[f"runstream_{name}", DEMO] for name in names):
                return
