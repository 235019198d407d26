"""Requests at a rate of their own, whether others are answered or not, each with a deadline; and how they end."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

ANSWERED, REFUSED, LATE, FAILED, RESET = "answered", "refused", "late", "failed", "reset"

Ask = Callable[[], Awaitable[str]]
"""Asks once; tells how it ended."""


@dataclass
class Ends:
    """How the requests of some seconds ended.

    Attributes:
        seconds: How long ends were counted.
        counts: How many ended each way then.
        refusals_s: How long each refusal took to be heard, of all that were asked.
        of_all: How many ended each way, of all that were asked.
    """

    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    refusals_s: list[float] = field(default_factory=list)
    of_all: Counter[str] = field(default_factory=Counter)

    def rate(self, end: str) -> float:
        """Ends of a kind each second."""
        return self.counts[end] / self.seconds


async def offer(ask: Ask, rate: float, seconds: float, unread_s: float, deadline_s: float) -> Ends:
    """Asks at even distances, and waits until all have ended.

    Args:
        ask: Asks once.
        rate: How often in a second.
        seconds: For how long.
        unread_s: After how many of them ends are counted: those before belong to a queue that fills.
        deadline_s: What takes longer is late.
    """
    ends = Ends(seconds - unread_s)
    begun_at = time.perf_counter()

    async def one() -> None:
        asked_at = time.perf_counter()
        end = LATE
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                end = await ask()
        now = time.perf_counter()
        ends.of_all[end] += 1
        if end is REFUSED:
            ends.refusals_s.append(now - asked_at)
        if unread_s <= now - begun_at < seconds:
            ends.counts[end] += 1

    tasks: set[asyncio.Task[None]] = set()
    num_asked = 0
    while (passed_s := time.perf_counter() - begun_at) < seconds:
        while num_asked < passed_s * rate:
            num_asked += 1
            task = asyncio.create_task(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.002)
    if tasks:
        await asyncio.wait(tasks)
    return ends


async def capacity(ask: Ask, num_clients: int, seconds: float) -> float:
    """Answers each second if so many clients ask one request after the other."""
    end_at = time.perf_counter() + seconds
    num_answers = 0

    async def client() -> None:
        nonlocal num_answers
        while time.perf_counter() < end_at:
            end = await ask()
            num_answers += end is ANSWERED

    begun_at = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(num_clients)))
    return num_answers / (time.perf_counter() - begun_at)


class HttpAsk:
    """Asks the bridge over kept connections, with as little work as can be: the machine is the servers' too."""

    def __init__(self, url: str, path: str, body: bytes) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "", place.port or 80
        head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self) -> str:
        try:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        except OSError:
            return RESET
        is_whole = False
        try:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            is_whole = await _skip_body(reader, head)
        except (OSError, asyncio.IncompleteReadError):
            return RESET
        finally:
            if is_whole:
                self._idle.append((reader, writer))
            else:
                writer.transport.abort()
        return {b"200": ANSWERED, b"429": REFUSED, b"408": LATE}.get(head[9:12], FAILED)

    def close(self) -> None:
        """Closes the connections."""
        for _, writer in self._idle:
            writer.transport.abort()


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> bool:
    """Reads a body; whether the connection can be used again."""
    lower = head.lower()
    length = int(lower.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return b"connection: close" not in lower


@asynccontextmanager
async def over_http(url: str, model: str, fields: dict[str, object]) -> AsyncIterator[Ask]:
    """Asks the bridge for whole answers."""
    body = json.dumps({"prompt": "Where is New York?", **fields}).encode()
    ask = HttpAsk(url, f"/client/v4/accounts/bench/ai/run/{model}", body)
    try:
        yield ask
    finally:
        ask.close()


@asynccontextmanager
async def over_grpc(target: str, model: str, fields: dict[str, object], deadline_s: float) -> AsyncIterator[Ask]:
    """Asks the service for whole answers."""
    params = pb.SamplingParams(**fields)  # type: ignore[arg-type]  # the names are the message's
    request = pb.RunRequest(model=model, prompt=pb.Prompt(text="Where is New York?"), sampling_params=params)
    kinds = {grpc.StatusCode.RESOURCE_EXHAUSTED: REFUSED, grpc.StatusCode.DEADLINE_EXCEEDED: LATE}
    async with grpc.aio.insecure_channel(target) as channel:
        stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)

        async def ask() -> str:
            try:
                await stub.Run(request, timeout=deadline_s)
            except grpc.aio.AioRpcError as error:
                return kinds.get(error.code(), FAILED)
            return ANSWERED

        yield ask
