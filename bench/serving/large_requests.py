"""How small requests and health checks fare while others send what is too large.

    python -m bench.serving.large_requests [--seconds N] [--only PART]

Service and bridge run as processes of their own, with the demo model; so do those who send too much, on the same cores.
Linux only: memory comes from /proc.
"""

import asyncio
import http.client
import multiprocessing
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import click
import grpc
from runstream.v1 import text_generation_pb2 as pb

from bench.serving import costly_bodies
from bench.serving.server import Server, running_server

MODEL = "@runstream/demo"
PATH = f"/client/v4/accounts/bench/ai/run/{MODEL}"
SMALL = {"prompt": "Where is New York?", "max_tokens": 8, "seed": 1}
NUM_SENDERS = 8
HEADINGS = ("load", "p50 ms", "p90 ms", "most ms", "MiB: bridge", "service")


def send_over_rest(url: str, path: str, body: bytes, num_senders: int, stop: Any) -> None:
    """Sends a body over connections of their own, without pause, until told to stop."""

    def send() -> None:
        place = urlsplit(url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        while not stop.is_set():
            try:
                connection.request("POST", path, body)
                connection.getresponse().read()
            except OSError:
                connection.close()

    _in_threads(send, num_senders)


def send_over_grpc(target: str, num_characters: int, num_senders: int, stop: Any) -> None:
    """Sends a prompt of so many characters over gRPC, without pause, until told to stop."""
    message = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="word " * (num_characters // 5))).SerializeToString()

    def send() -> None:
        with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call: Any = channel.unary_unary("/runstream.v1.TextGenerationService/Run")
            while not stop.is_set():
                with suppress(grpc.RpcError):
                    call(message)

    _in_threads(send, num_senders)


def _in_threads(send: Any, num_senders: int) -> None:
    threads = [threading.Thread(target=send) for _ in range(num_senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def sending(send: Any, *arguments: Any) -> Iterator[None]:
    """Has another process send."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=send, args=(*arguments, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join()


async def time_small(http_session: aiohttp.ClientSession, server: Server) -> None:
    """One small request."""
    async with http_session.post(server.url + PATH, json=SMALL) as answer:
        assert answer.status == 200, await answer.text()


async def time_health(http_session: aiohttp.ClientSession, server: Server) -> None:
    """One health check."""
    async with http_session.get(server.url + "/healthz") as answer:
        assert answer.status == 200


async def timed(ask: Any, server: Server, seconds: float) -> list[float]:
    """How long each of many requests took, one after the other, in milliseconds, behind a second of warming up."""
    took_ms: list[float] = []
    async with aiohttp.ClientSession() as session:
        begun_at = time.perf_counter()
        while (now := time.perf_counter()) < begun_at + 1 + seconds:
            await ask(session, server)
            if now > begun_at + 1:
                took_ms.append((time.perf_counter() - now) * 1e3)
    return took_ms


def memory_mib(server: Server) -> list[int]:
    """The memory that bridge and service have had at most."""
    return [_status(server.pids[name], "VmHWM") // 1024 for name in ("bridge", "service")]


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def print_row(name: str, took_ms: list[float], server: Server) -> None:
    """Prints a line of Markdown."""
    deciles = statistics.quantiles(took_ms, n=10)
    figures = [f"{statistics.median(took_ms):.1f}", f"{deciles[-1]:.1f}", f"{max(took_ms):.0f}"]
    print(f"| {' | '.join([name.replace('|', '/'), *figures, *map(str, memory_mib(server))])} |", flush=True)


def bench_prompts(server: Server, seconds: float) -> None:
    """Small requests alone, beside six who send 2 MB prompts over REST, and beside six who send 15 MB over gRPC."""
    print_row("small requests alone", asyncio.run(timed(time_small, server, seconds)), server)
    with sending(send_over_rest, server.url, PATH, costly_bodies.long_prompt(), 6):
        took_ms = asyncio.run(timed(time_small, server, seconds))
    print_row("beside six of 2 MB over REST", took_ms, server)
    with sending(send_over_grpc, server.target, 15_000_000, 6):
        took_ms = asyncio.run(timed(time_small, server, seconds))
    print_row("beside six of 15 MB over gRPC", took_ms, server)


def bench_bodies(server: Server, seconds: float) -> None:
    """Health checks while eight send one costly body each without pause."""
    print_row("/healthz alone", asyncio.run(timed(time_health, server, seconds)), server)
    bodies = [("a prompt", costly_bodies.long_prompt()), *costly_bodies.overfull(), *costly_bodies.within_limits()]
    loads = [(name, PATH, body) for name, body in bodies]
    loads += [(name, f"{PATH}?queueRequest=true", body) for name, body in costly_bodies.batches()]
    for name, path, body in loads:
        with sending(send_over_rest, server.url, path, body, NUM_SENDERS):
            took_ms = asyncio.run(timed(time_health, server, seconds))
        print_row(f"`{name}`, {len(body) / 1e6:.1f} MB", took_ms, server)


PARTS = {"prompts": bench_prompts, "bodies": bench_bodies}


@click.command(help=__doc__)
@click.option("--seconds", default=5.0, show_default=True, help="How long each load is measured.")
@click.option("--only", type=click.Choice(list(PARTS)), help="One part.")
def main(seconds: float, only: str | None) -> None:
    with running_server(MODEL, None, 1) as server:
        for name, part in PARTS.items():
            if only in (None, name):
                print(f"\n| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
                part(server, seconds)


if __name__ == "__main__":
    main()
