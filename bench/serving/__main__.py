"""The running server beside its own engine: tokens per second, time to first token, CPU time per token.

    python -m bench.serving [--model ID] [--catalog FILE] [--streams 1,16,64] [--rounds N]

Service and bridge run as processes of their own; this process is the client, over gRPC and over REST with server-sent
events. The engine's own rate is that of the same requests in this process, without pipes, text and wire, on as many
threads. Rounds are interleaved, so that a slow moment of the machine falls on all; the table gives medians. Linux only:
CPU times come from /proc.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import click
import grpc
import torch
from runstream.v1 import text_generation_pb2_grpc
from transformers.utils import logging as transformers_logging

from bench.serving.load import (
    NUM_NEW_TOKENS,
    Streams,
    Took,
    make_questions,
    over_grpc,
    over_rest,
    run_clients,
    run_engine,
)
from bench.serving.server import Server, running_server
from service.catalog import load_catalog
from service.checkpoints.locate import locate
from service.engine.engine import Engine
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.prompts.tokenizer import Chat

ALONE = "engine alone"
PROCESSES = ("bridge", "service", "engine", "client")
COLUMNS = ("streams", "way", "tokens/s", "of the engine's own", "first token, median ms", "p90 ms")

Way = Callable[[Streams], Awaitable[Took]]


def load_engine(checkpoint: Path, num_threads: int) -> Engine:
    """The engine as the service's process has it."""
    torch.set_num_threads(num_threads)
    transformers_logging.disable_progress_bar()
    return build_engine(load_model(checkpoint, "cpu", "float32"), EngineConfig(checkpoint, max_num_seqs=64))


def requests_of_each(num_streams: int) -> int:
    """How many requests a stream makes one after the other, so that few streams take long enough to be timed."""
    return max(1, min(8, 32 // num_streams))


async def make_loads(checkpoint: Path, engine: Engine, counts: list[int]) -> dict[int, Streams]:
    """The questions of each number of streams, of all lengths of prompts each time."""
    most = max(count * requests_of_each(count) for count in counts)
    chat = await asyncio.to_thread(Chat.load, checkpoint)
    questions = await make_questions(chat, engine, engine.info.vocab_size, most)
    loads = {}
    for count in counts:
        num_questions = count * requests_of_each(count)
        spread = [questions[place * most // num_questions] for place in range(num_questions)]
        loads[count] = [spread[number::count] for number in range(count)]
    return loads


async def timed(way: Way, streams: Streams, server: Server) -> Took:
    """Runs a load and measures it."""
    cpu_before, client_before, begun_at = server.cpu_times_s(), time.process_time(), time.perf_counter()
    took = await way(streams)
    took.duration_s = time.perf_counter() - begun_at
    cpu_after = server.cpu_times_s()
    took.cpu_s = {name: cpu_after[name] - cpu_before[name] for name in cpu_after}
    took.cpu_s["client"] = time.process_time() - client_before
    return took


async def measure(
    ways: dict[str, Way], loads: dict[int, Streams], server: Server, rounds: int
) -> dict[tuple[int, str], list[Took]]:
    """What each load took each way in every round; the first round warms up and is not kept."""
    results: dict[tuple[int, str], list[Took]] = {(count, way): [] for count in loads for way in ways}
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}" if number else "warming up", file=sys.stderr)
        for (num_streams, name), kept in results.items():
            took = await timed(ways[name], loads[num_streams], server)
            if number:
                kept.append(took)
    return results


def print_table(results: dict[tuple[int, str], list[Took]]) -> None:
    """Prints Markdown."""
    headings = [*COLUMNS, *(f"CPU µs/token, {name}" for name in PROCESSES)]
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for (num_streams, name), rounds in results.items():
        own = results[num_streams, ALONE]
        share = statistics.median(a.rate / b.rate for a, b in zip(rounds, own, strict=True))
        waits_ms = [wait * 1e3 for took in rounds for wait in took.first_token_s]
        rate, p90_ms = statistics.median(took.rate for took in rounds), statistics.quantiles(waits_ms, n=10)[-1]
        cells = [str(num_streams), name, f"{rate:.0f}", f"{share:.2f}", f"{statistics.median(waits_ms):.1f}"]
        print(f"| {' | '.join([*cells, f'{p90_ms:.1f}', *cpu_cells(name, rounds)])} |")


def cpu_cells(name: str, rounds: list[Took]) -> list[str]:
    """The CPU time of a token in each process; the engine alone runs in what is else the client."""
    num_tokens = sum(took.num_tokens for took in rounds)
    each_us = [sum(took.cpu_s[process] for took in rounds) / num_tokens * 1e6 for process in PROCESSES]
    return ["", "", f"{each_us[-1]:.0f}", ""] if name == ALONE else [f"{each:.0f}" for each in each_us]


def print_early_ends(results: dict[tuple[int, str], list[Took]]) -> None:
    """Says which loads were smaller than meant, since completions ended by themselves."""
    for (num_streams, name), rounds in results.items():
        missing = sum(len(took.first_token_s) * NUM_NEW_TOKENS - took.num_tokens for took in rounds)
        if missing:
            print(
                f"\n{num_streams} streams, {name}: {missing} tokens fewer than asked for, as completions ended early."
            )


async def bench(model: str, catalog: Path | None, counts: list[int], rounds: int, num_threads: int) -> None:
    """Starts what is measured, measures it and prints what came out."""
    checkpoint = locate(load_catalog(*[catalog] if catalog else [])[model])
    engine = load_engine(checkpoint, num_threads)
    loads = await make_loads(checkpoint, engine, counts)

    async def alone(streams: Streams) -> Took:
        return run_engine(engine, streams)

    async with AsyncExitStack() as stack:
        server = stack.enter_context(running_server(model, catalog, num_threads))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        grpc_ask = over_grpc(text_generation_pb2_grpc.TextGenerationServiceStub(channel), model)
        rest_ask = over_rest(http, server.url, model)
        ways: dict[str, Way] = {
            ALONE: alone,
            "gRPC": lambda streams: run_clients(grpc_ask, streams),
            "REST, SSE": lambda streams: run_clients(rest_ask, streams),
        }
        results = await measure(ways, loads, server, rounds)
    print_table(results)
    print_early_ends(results)


@click.command(help=__doc__)
@click.option("--model", default="@runstream/demo", show_default=True, help="A model of the catalog.")
@click.option("--catalog", type=click.Path(exists=True, path_type=Path), help="A catalog that names the model.")
@click.option("--streams", default="1,16,64", show_default=True, help="How many at once, with commas.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--num-threads", default=1, show_default=True, type=click.IntRange(min=1), help="The engine's threads.")
def main(model: str, catalog: Path | None, streams: str, rounds: int, num_threads: int) -> None:
    asyncio.run(bench(model, catalog, [int(count) for count in streams.split(",")], rounds, num_threads))


if __name__ == "__main__":
    main()
