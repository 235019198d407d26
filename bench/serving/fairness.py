"""How long one account waits for its first token while another one floods the server.

    python -m bench.serving.fairness [--rounds N] [--seconds N] [--flood N]

Each round measures the account alone, then beside the flood: as many whole answers of 64 tokens at once as `--flood`
says, and a new one for each that ends. Service and bridge run as processes of their own, with the demo model; so does
the flood, on the same cores.
"""

import asyncio
import multiprocessing
import statistics
import time
from contextlib import suppress
from typing import Any

import aiohttp
import click

from bench.serving.server import running_server

MODEL = "@runstream/demo"
ASKED = {"prompt": "Where is New York?", "max_tokens": 8, "seed": 1, "stream": True}
FLOOD = {"prompt": "Where is New York?", "max_tokens": 64, "ignore_eos": True}


def url_of(base: str, account: str) -> str:
    """Where an account asks."""
    return f"{base}/client/v4/accounts/{account}/ai/run/{MODEL}"


def flood(base: str, num_requests: int, has_begun: Any, stop: Any) -> None:
    """Keeps so many requests of one account open until told to stop."""

    async def ask(session: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            with suppress(aiohttp.ClientError):
                async with session.post(url_of(base, "flood"), json=FLOOD) as answer:
                    await answer.read()
                    has_begun.set()

    async def ask_all() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(ask(session) for _ in range(num_requests)))

    asyncio.run(ask_all())


async def first_tokens_ms(base: str, seconds: float) -> list[float]:
    """The time to the first event of many streams, one after the other, in milliseconds."""
    took_ms: list[float] = []
    async with aiohttp.ClientSession() as session:
        end = time.perf_counter() + seconds
        while (asked_at := time.perf_counter()) < end or len(took_ms) < 2:
            async with session.post(url_of(base, "other"), json=ASKED) as answer:
                if answer.status != 200:
                    raise SystemExit(f"the other account is refused: {await answer.text()}")
                await answer.content.readline()
                took_ms.append((time.perf_counter() - asked_at) * 1e3)
                await answer.read()
    return took_ms


def beside_flood_ms(base: str, seconds: float, num_requests: int) -> list[float]:
    """The same, while another account floods."""
    context = multiprocessing.get_context("spawn")
    has_begun, stop = context.Event(), context.Event()
    process = context.Process(target=flood, args=(base, num_requests, has_begun, stop))
    process.start()
    try:
        has_begun.wait()
        return asyncio.run(first_tokens_ms(base, seconds))
    finally:
        stop.set()
        process.join()


@click.command(help=__doc__)
@click.option("--rounds", default=3, show_default=True, help="How often both are measured.")
@click.option("--seconds", default=10.0, show_default=True, help="How long each is measured.")
@click.option("--flood", "num_requests", default=200, show_default=True, help="Requests that are open at once.")
def main(rounds: int, seconds: float, num_requests: int) -> None:
    alone: list[float] = []
    beside: list[float] = []
    with running_server(MODEL, None, 1) as server:
        asyncio.run(first_tokens_ms(server.url, 1.0))
        for _ in range(rounds):
            alone += asyncio.run(first_tokens_ms(server.url, seconds))
            beside += beside_flood_ms(server.url, seconds, num_requests)
    print("| the other account's time to its first event | requests | p50 ms | p99 ms |\n|---|---|---|---|")
    for name, took_ms in (("alone", alone), (f"beside {num_requests} requests of one account", beside)):
        percentiles = statistics.quantiles(took_ms, n=100)
        print(f"| {name} | {len(took_ms)} | {percentiles[49]:.1f} | {percentiles[98]:.1f} |")
    ratio = statistics.quantiles(beside, n=100)[98] / statistics.quantiles(alone, n=100)[98]
    print(f"\np99 beside the flood: {ratio:.1f} times that alone")


if __name__ == "__main__":
    main()
