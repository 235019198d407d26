"""What surrounds an engine, at any rate of tokens: tokens per second and CPU time per token by the number of processes.

    python -m bench.serving.edge_scaling [--workers 1,2,4] [--streams 64] [--tokens-per-s 0] [--rounds 3]

A scripted engine puts out tokens, one step or four in each message, so that none of what is measured is the model's.
Service and bridge run as processes of their own. This process is the client: over gRPC it leaves messages as bytes,
over REST it looks at the last event only, so that it takes little itself. Rounds are interleaved, the table gives
medians. One bridge has `--workers`, the service as many `--edge-workers`.
With fewer cores than processes only the CPU time per token tells something. Linux only.
"""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import click
import grpc
import psutil
from runstream.v1 import text_generation_pb2 as pb

from bench.machine import describe
from bench.serving.server import Server, running_server

MODEL: Final = "@runstream/demo"
PROMPT: Final = "The quick brown fox jumps over the lazy dog. "
STEPS_PER_MESSAGE: Final = (1, 4)
NUM_CHANNELS: Final = 16
OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)
RUN_STREAM: Final = "/runstream.v1.TextGenerationService/RunStream"
COLUMNS: Final[tuple[str, ...]] = (
    "way",
    "processes",
    "steps per message",
    "tokens/s",
    "tokens per message to the client",
)
PROCESSES: Final[tuple[str, ...]] = ("bridge", "edge workers", "service", "engine")


@dataclass(frozen=True)
class Took:
    """What a load took.

    Attributes:
        rate: Tokens per second.
        tokens_per_message: How many went to the client together.
        cpu_us: The CPU time of a token in each kind of process, in µs.
    """

    rate: float
    tokens_per_message: float
    cpu_us: dict[str, float]


@dataclass(frozen=True)
class Load:
    """How many streams ask at once, and for how many tokens each."""

    num_streams: int
    num_tokens: int


@dataclass
class Came:
    """What came to the client: tokens, and messages or events with them."""

    num_tokens: int = 0
    num_messages: int = 0


Way = Callable[[Server, Load, Came], Awaitable[None]]
"""Asks a server, and counts what comes."""


async def over_grpc(server: Server, load: Load, came: Came) -> None:
    """Asks the service; messages stay bytes."""
    params = pb.SamplingParams(max_tokens=load.num_tokens)
    request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=PROMPT, raw=True), sampling_params=params)
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(server.target, options=OWN_CONNECTION))
            for _ in range(NUM_CHANNELS)
        ]

        async def ask(channel: grpc.aio.Channel) -> None:
            call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(RUN_STREAM)
            last = b""
            async for message in call(request.SerializeToString()):
                last = message
                came.num_messages += 1
            came.num_tokens += pb.RunStreamResponse.FromString(last).usage.completion_tokens

        await asyncio.gather(*(ask(channels[number % NUM_CHANNELS]) for number in range(load.num_streams)))


async def over_rest(server: Server, load: Load, came: Came) -> None:
    """Asks the bridge for events, on a connection for each stream."""
    where = urlsplit(server.url)
    body = f'{{"prompt": "{PROMPT}", "raw": true, "stream": true, "max_tokens": {load.num_tokens}}}'.encode()
    head = f"POST /client/v4/accounts/bench/ai/run/{MODEL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        last = b""
        while piece := await reader.read(1 << 16):
            last = (last + piece)[-2048:]
            came.num_messages += piece.count(b"data: {")
        writer.close()
        came.num_tokens += int(last.rpartition(b'"completion_tokens":')[2].partition(b",")[0])

    await asyncio.gather(*(ask() for _ in range(load.num_streams)))


WAYS: Final[dict[str, Way]] = {"gRPC": over_grpc, "REST, SSE": over_rest}


def cpu_times_s(server: Server) -> dict[str, float]:
    """The CPU time so far of each kind of process."""
    bridge, service = (psutil.Process(server.pids[name]) for name in ("bridge", "service"))
    edge_workers = [child for child in service.children() if child.pid != server.pids["engine"]]
    return server.cpu_times_s() | {"bridge": _sum_s([bridge, *bridge.children()]), "edge workers": _sum_s(edge_workers)}


def _sum_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


async def timed(way: Way, server: Server, load: Load) -> Took:
    """Runs a load and measures it."""
    before, begun_at = cpu_times_s(server), time.perf_counter()
    came = Came()
    await way(server, load, came)
    duration_s, after = time.perf_counter() - begun_at, cpu_times_s(server)
    cpu_us = {name: (after[name] - before[name]) / came.num_tokens * 1e6 for name in PROCESSES}
    return Took(came.num_tokens / duration_s, came.num_tokens / came.num_messages, cpu_us)


def start(stack: ExitStack, num_workers: int, steps_per_message: int, tokens_per_s: float) -> Server:
    """Starts service and bridge in front of a scripted engine."""
    engine = f"{sys.executable} -m bench.serving.scripted_engine"
    engine += f" --steps-per-message {steps_per_message} --tokens-per-s {tokens_per_s}"
    options = ["--engine-command", engine, "--max-num-seqs", "512", "--max-num-batched-tokens", "512"]
    options += ["--edge-workers", str(num_workers)]
    return stack.enter_context(running_server(MODEL, None, 1, options, ("--workers", str(num_workers))))


async def bench(counts: list[int], load: Load, tokens_per_s: float, rounds: int) -> None:
    """Starts what is measured, measures it and prints what came out."""
    with ExitStack() as stack:
        servers = {
            (num_workers, steps): start(stack, num_workers, steps, tokens_per_s)
            for num_workers, steps in itertools.product(counts, STEPS_PER_MESSAGE)
        }
        cells = [(name, *each) for name in WAYS for each in servers]
        results: dict[tuple[str, int, int], list[Took]] = {cell: [] for cell in cells}
        for number in range(rounds + 1):
            print(f"round {number} of {rounds}" if number else "warming up", file=sys.stderr)
            for (name, num_workers, steps), kept in results.items():
                took = await timed(WAYS[name], servers[num_workers, steps], load)
                if number:
                    kept.append(took)
    print_table(results, load)


def print_table(results: dict[tuple[str, int, int], list[Took]], load: Load) -> None:
    """Prints Markdown."""
    print(f"{describe('cpu').line()}; {load.num_streams} streams of {load.num_tokens} tokens\n")
    headings = (*COLUMNS, *(f"CPU µs/token, {name}" for name in PROCESSES))
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for (name, num_workers, steps), rounds in results.items():
        cpu_us = {process: statistics.median(took.cpu_us[process] for took in rounds) for process in PROCESSES}
        rate = statistics.median(took.rate for took in rounds)
        together = statistics.median(took.tokens_per_message for took in rounds)
        absent = {"bridge"} if name == "gRPC" else set()
        cpu = [f"{us:.0f}" if us and process not in absent else "" for process, us in cpu_us.items()]
        print(f"| {' | '.join([name, str(num_workers), str(steps), f'{rate:.0f}', f'{together:.1f}', *cpu])} |")


@click.command(help=__doc__)
@click.option("--workers", default="1,2,4", show_default=True, help="Of the bridge and of the edge, with commas.")
@click.option("--streams", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens", default=400, show_default=True, type=click.IntRange(min=1), help="Of each stream.")
@click.option("--tokens-per-s", default=0.0, show_default=True, help="The engine's; 0 for all it can.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
def main(workers: str, streams: int, tokens: int, tokens_per_s: float, rounds: int) -> None:
    asyncio.run(bench([int(count) for count in workers.split(",")], Load(streams, tokens), tokens_per_s, rounds))


if __name__ == "__main__":
    main()
