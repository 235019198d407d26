"""How others are answered beside one abusive peer on the port of gRPC.

    python -m bench.serving.abuse [--requests N] [--clients N] [--rounds N]

Service and bridge run as processes of their own, with the demo model; so does the peer. Clients ask the service one
request after the other while the peer sends frames as fast as they are taken: calls that it resets at once, pings,
settings, headers without an end. Rounds are interleaved, so that a slow moment of the machine falls on all.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from typing import Final

import click
from runstream.v1 import text_generation_pb2 as pb

from bench.serving.http2_flood import flood
from bench.serving.open_loop import ANSWERED, REFUSED, Ask, over_grpc
from bench.serving.server import Server, running_server

MODEL: Final = "@runstream/demo"
RUN_STREAM: Final = "/runstream.v1.TextGenerationService/RunStream"
MAX_TOKENS: Final = 16
DEADLINE_S: Final = 60.0
KINDS: Final = ("nobody", "resets", "pings", "settings", "headers")


def abuse(kind: str, port: int, num_sent: "Synchronized[int]") -> None:
    """Sends frames until the process is ended; counts what it sent: calls, pings, settings or headers of 8 KB."""
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="Where is New York?"))
    request.sampling_params.max_tokens = MAX_TOKENS
    message = request.SerializeToString()
    while True:
        with suppress(OSError), flood(port) as peer:
            peer.hear_beside()
            while True:
                if kind == "resets":
                    peer.reset_calls(RUN_STREAM, message, 100)
                elif kind == "pings":
                    peer.ping(100)
                elif kind == "settings":
                    peer.settings(100)
                else:
                    peer.endless_headers(100)
                num_sent.value += 100


@contextmanager
def abused(kind: str, target: str) -> Iterator["Synchronized[int]"]:
    """Has a process abuse a service for a while; what it has sent so far."""
    context = multiprocessing.get_context("spawn")
    num_sent = context.Value("q", 0)
    if kind == "nobody":
        yield num_sent
        return
    peer = context.Process(target=abuse, args=(kind, int(target.rsplit(":", 1)[1]), num_sent), daemon=True)
    peer.start()
    try:
        while not num_sent.value:
            time.sleep(0.01)
        yield num_sent
    finally:
        peer.kill()
        peer.join()


async def ask_all(ask: Ask, num_requests: int, num_clients: int) -> tuple[Counter[str], list[float]]:
    """How requests end that clients ask one after the other, and how long each takes in seconds."""
    ends: Counter[str] = Counter()
    times_s: list[float] = []

    async def client() -> None:
        for _ in range(num_requests // num_clients):
            began_at = time.perf_counter()
            ends[await ask()] += 1
            times_s.append(time.perf_counter() - began_at)

    await asyncio.gather(*(client() for _ in range(num_clients)))
    return ends, times_s


async def bench(server: Server, num_requests: int, num_clients: int, num_rounds: int) -> None:
    """Measures, and prints a row for each kind of abuse."""
    ends: dict[str, Counter[str]] = defaultdict(Counter)
    times_s: dict[str, list[float]] = defaultdict(list)
    cpu_s: dict[str, float] = defaultdict(float)
    sent: Counter[str] = Counter()
    async with over_grpc(server.target, MODEL, {"max_tokens": MAX_TOKENS, "ignore_eos": True}, DEADLINE_S) as ask:
        await ask_all(ask, num_clients, num_clients)
        for kind in KINDS * num_rounds:
            before_s = server.cpu_times_s()["service"]
            with abused(kind, server.target) as num_sent:
                round_ends, round_times_s = await ask_all(ask, num_requests, num_clients)
                sent[kind] += num_sent.value
            ends[kind] += round_ends
            times_s[kind] += round_times_s
            cpu_s[kind] += server.cpu_times_s()["service"] - before_s
    print("| beside | sent | answered | refused | other ends | p50 s | longest s | CPU of the service, s |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        answered, refused = ends[kind][ANSWERED], ends[kind][REFUSED]
        others = ends[kind].total() - answered - refused
        waits = f"{statistics.median(times_s[kind]):.2f} | {max(times_s[kind]):.2f}"
        print(f"| {kind} | {sent[kind]} | {answered} | {refused} | {others} | {waits} | {cpu_s[kind]:.1f} |")


@click.command()
@click.option("--requests", default=110, show_default=True, type=click.IntRange(1), help="Requests in each round.")
@click.option("--clients", default=10, show_default=True, type=click.IntRange(1), help="Who asks at the same time.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(1), help="Rounds of each kind.")
def main(requests: int, clients: int, rounds: int) -> None:
    """Starts what is measured, and measures it."""
    with running_server(MODEL, None, 1) as server:
        asyncio.run(bench(server, requests, clients, rounds))


if __name__ == "__main__":
    main()
