"""The CPU time that service and bridge take for a token, beside servers that only stream.

    python -m bench.serving.token_cost [--streams 64] [--tokens 256] [--stream-interval 1]

The engine is scripted: it computes nothing and tells one token of every stream at a time. Each of the ways gets the
same number of streams and tokens in turn, and what is counted is the CPU time of the processes, so that other work on
the machine disturbs little. Streams of which several tokens come in one message cost less: the table says how many do.
"""

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass

import aiohttp
import click
import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bench.serving.bare_streams import NUM_TOKENS_HEADER, bare_parts
from bench.serving.server import cpu_time_s, running_server

MODEL = "@runstream/demo"
PROMPT = "Once there was a fox who lived by the river and liked to talk to the moon about the price of bread"


@dataclass(frozen=True)
class Load:
    """What each way is given.

    Attributes:
        num_streams: How many at once.
        num_tokens: How many each gets.
    """

    num_streams: int
    num_tokens: int


# Asks for so many tokens, and tells in how many messages or events they came.
Ask = Callable[[int], Awaitable[int]]


@dataclass(frozen=True)
class Way:
    """One way to get tokens, and the processes that take part in it."""

    ask: Ask
    pids: dict[str, int]


def over_grpc(channel: grpc.aio.Channel) -> Ask:
    """Asks the service."""
    stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)

    async def ask(num_tokens: int) -> int:
        params = pb.SamplingParams(max_tokens=num_tokens)
        request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=PROMPT, raw=True), sampling_params=params)
        num_messages = 0
        num_told = 0
        async for part in stub.RunStream(request):
            num_messages += 1
            num_told = part.usage.completion_tokens
        assert num_told == num_tokens
        return num_messages

    return ask


def over_http(http: aiohttp.ClientSession, url: str, body: dict[str, object], headers: dict[str, str]) -> Ask:
    """Asks for server-sent events; a number in `body` that is None is that of the tokens."""

    async def ask(num_tokens: int) -> int:
        asked = {name: num_tokens if value is None else value for name, value in body.items()}
        told = {name: value or str(num_tokens) for name, value in headers.items()}
        num_events = 0
        async with http.post(url, json=asked, headers=told) as response:
            assert response.status == 200, await response.text()
            async for chunk in response.content.iter_any():
                num_events += chunk.count(b"\n\n")
        return num_events

    return ask


def over_bare_grpc(channel: grpc.aio.Channel) -> Ask:
    """Asks the bare server."""

    async def ask(num_tokens: int) -> int:
        return len([part async for part in bare_parts(channel, num_tokens)])

    return ask


@contextmanager
def bare_server(*arguments: str) -> Iterator[tuple[int, str]]:
    """Starts a bare server; gives its process and where it listens."""
    command = [sys.executable, "-m", "bench.serving.bare_streams", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().removeprefix("listening on ").strip()
        finally:
            process.terminate()


async def start_ways(
    stack: AsyncExitStack, parts: ExitStack, tokens_per_s: float, stream_interval: int
) -> dict[str, Way]:
    """Starts all servers, and gives the ways through them; the bare ones know no interval."""
    engine = f"{sys.executable} -m bench.serving.scripted_engine --tokens-per-s {tokens_per_s}"
    options = ("--engine-command", engine, "--stream-interval", str(stream_interval))
    server = parts.enter_context(running_server(MODEL, None, 1, options))
    bare_pid, bare_target = parts.enter_context(bare_server("service", "--tokens-per-s", str(tokens_per_s)))
    relay_pid, relay_url = parts.enter_context(bare_server("bridge", "--service", bare_target))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
    bare = await stack.enter_async_context(grpc.aio.insecure_channel(bare_target))
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    run_url = f"{server.url}/client/v4/accounts/bench/ai/run/{MODEL}"
    native = {"prompt": PROMPT, "raw": True, "stream": True, "max_tokens": None}
    chat = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True, "max_tokens": None}
    both = {name: server.pids[name] for name in ("bridge", "service")}
    return {
        "gRPC": Way(over_grpc(channel), {"service": server.pids["service"]}),
        "native events": Way(over_http(http, run_url, native, {}), both),
        "chat chunks": Way(over_http(http, f"{server.url}/v1/chat/completions", chat, {}), both),
        "bare grpc.aio": Way(over_bare_grpc(bare), {"service": bare_pid}),
        "bare grpc.aio and aiohttp": Way(
            over_http(http, relay_url, {}, {NUM_TOKENS_HEADER: ""}), {"bridge": relay_pid, "service": bare_pid}
        ),
    }


@dataclass(frozen=True)
class Took:
    """What a load took: the CPU time of a token in each process, in microseconds, and messages for each token."""

    cpu_us: dict[str, float]
    messages: float


async def timed(way: Way, load: Load) -> Took:
    """Gives a way its load."""
    before = {name: cpu_time_s(pid) for name, pid in way.pids.items()}
    counts = await asyncio.gather(*(way.ask(load.num_tokens) for _ in range(load.num_streams)))
    num_tokens = load.num_streams * load.num_tokens
    cpu_us = {name: (cpu_time_s(pid) - before[name]) / num_tokens * 1e6 for name, pid in way.pids.items()}
    return Took(cpu_us, sum(counts) / num_tokens)


def print_table(results: dict[str, list[Took]]) -> None:
    """Prints Markdown, with medians."""
    print("| way | messages a token | bridge, CPU µs a token | service | together |\n|---|---|---|---|---|")
    for name, rounds in results.items():
        messages = statistics.median(took.messages for took in rounds)
        each = {
            process: statistics.median(took.cpu_us[process] for took in rounds)
            for process in ("bridge", "service")
            if process in rounds[0].cpu_us
        }
        cells = [f"{each[process]:.0f}" if process in each else "" for process in ("bridge", "service")]
        print(f"| {name} | {messages:.2f} | {' | '.join(cells)} | {sum(each.values()):.0f} |")


async def bench(load: Load, tokens_per_s: float, stream_interval: int, rounds: int, names: list[str]) -> None:
    """Measures all ways in turn; the first round warms up and is not kept."""
    async with AsyncExitStack() as stack:
        with ExitStack() as parts:
            ways = await start_ways(stack, parts, tokens_per_s, stream_interval)
            ways = {name: way for name, way in ways.items() if not names or name in names}
            results: dict[str, list[Took]] = {name: [] for name in ways}
            for number in range(rounds + 1):
                for name, way in ways.items():
                    took = await timed(way, load)
                    if number:
                        results[name].append(took)
    print_table(results)


@click.command(help=__doc__)
@click.option("--streams", default=64, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens", default=256, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens-per-s", default=3200.0, show_default=True, help="Of all streams together.")
@click.option("--stream-interval", default=1, show_default=True, help="Tokens that a part of a stream gathers.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--way", "names", multiple=True, help="Only this one; may be given again.")
def main(
    streams: int, tokens: int, tokens_per_s: float, stream_interval: int, rounds: int, names: tuple[str, ...]
) -> None:
    asyncio.run(bench(Load(streams, tokens), tokens_per_s, stream_interval, rounds, list(names)))


if __name__ == "__main__":
    main()
