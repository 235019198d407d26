"""How many requests are answered in time while many more are asked than can be.

    python -m bench.serving.overload [--by pace|engine|edge] [--over http|grpc] [--seconds N] [--rounds N]

Service and bridge run as processes of their own, with the demo model; this process asks, on the same cores. First the
capacity is measured: the answers each second to a few clients that ask one request after the other. Then requests come
at multiples of it, at even distances, however many are open. Rounds are interleaved, so that a slow moment of the
machine falls on all. Ends are counted once the queue has had time to fill. Linux only: memory comes from /proc.

With `--by pace` a scripted engine makes 480 tokens each second and needs no processor: what is measured is who is let
in, and that refusals keep nobody waiting. With `--by engine` it is the real one, with few places and long completions,
which shares the cores with all others. With `--by edge` the scripted one is as fast as can be: what is too slow is the
service.
"""

import asyncio
import statistics
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

import click

from bench.serving.open_loop import ANSWERED, FAILED, LATE, REFUSED, RESET, Ends, capacity, offer, over_grpc, over_http
from bench.serving.server import Server, running_server

MODEL = "@runstream/demo"
HEADINGS = (
    *("offered", "offered/s", "in time/s", "of the most", "refused/s", "late/s", "failed/s", "reset"),
    *("refused after p50 ms", "p99 ms", "MiB: bridge", "service"),
)
# What each kind of load says of the service's flags, and of each request: its length.
PACED = f"{sys.executable} -m bench.serving.scripted_engine --tokens-per-s"
LOADS = {
    "pace": (("--max-num-seqs", "8", "--engine-command", f"{PACED} 480"), 16),
    "engine": (("--max-num-seqs", "4"), 48),
    "edge": (("--engine-command", f"{PACED} 0"), 12),
}


def rss_mib(pid: int) -> float:
    """The memory of a process that is in use now, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def memory(server: Server) -> tuple[float, float]:
    """What bridge and service take now, in MiB."""
    return rss_mib(server.pids["bridge"]), rss_mib(server.pids["service"])


def print_row(factor: float, rounds: list[Ends], most: float, mib: tuple[float, float], per_s: float) -> None:
    """Prints a row: medians of the rounds, but for the refusals, which are taken together."""
    good = statistics.median(ends.rate(ANSWERED) for ends in rounds)
    rates = [statistics.median(ends.rate(end) for ends in rounds) for end in (REFUSED, LATE, FAILED)]
    num_reset = sum(ends.of_all[RESET] for ends in rounds)
    waits_ms = sorted(wait * 1e3 for ends in rounds for wait in ends.refusals_s)
    heard = ("", "")
    if len(waits_ms) > 1:
        heard = f"{statistics.median(waits_ms):.1f}", f"{statistics.quantiles(waits_ms, n=100)[98]:.1f}"
    cells = [f"{factor:g}", f"{per_s:.0f}", f"{good:.1f}", f"{good / most:.2f}", *(f"{rate:.1f}" for rate in rates)]
    print(f"| {' | '.join([*cells, str(num_reset), *heard, *(f'{each:.0f}' for each in mib)])} |")


async def bench(by: str, over: str, seconds: float, rounds: int, deadline_s: float, factors: list[float]) -> None:
    """Starts what is measured, measures it and prints what came out."""
    options, max_tokens = LOADS[by]
    fields: dict[str, object] = {"max_tokens": max_tokens, "ignore_eos": True}
    deadline = ("--deadline-s", str(deadline_s))
    num_clients = {"pace": 48, "engine": 8, "edge": 32}[by]
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running_server(MODEL, None, 1, options, deadline))
        if over == "http":
            ask = await stack.enter_async_context(over_http(server.url, MODEL, fields))
        else:
            ask = await stack.enter_async_context(over_grpc(server.target, MODEL, fields, deadline_s))
        await capacity(ask, num_clients, 3.0)
        at_most = await capacity(ask, num_clients, seconds / 2)
        mib = memory(server)
        print(f"capacity {at_most:.1f} answers/s; bridge {mib[0]:.0f} MiB, service {mib[1]:.0f} MiB")
        ends: dict[float, list[Ends]] = defaultdict(list)
        mib_of: dict[float, tuple[float, float]] = {}
        for number in range(rounds):
            for factor in factors:
                print(f"round {number + 1} of {rounds}: {factor:g} times the capacity", file=sys.stderr)
                # a client waits a little longer for the server to say that it is late
                took = await offer(ask, factor * at_most, seconds, min(deadline_s, seconds / 3), deadline_s + 0.5)
                ends[factor].append(took)
                mib_of[factor] = memory(server)
        most = max(statistics.median(took.rate(ANSWERED) for took in each) for each in ends.values())
        print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
        for factor, each in ends.items():
            print_row(factor, each, most, mib_of[factor], factor * at_most)


@click.command(help=__doc__)
@click.option("--by", type=click.Choice(tuple(LOADS)), default="pace", show_default=True)
@click.option("--over", type=click.Choice(("http", "grpc")), default="http", show_default=True)
@click.option("--seconds", default=12.0, show_default=True, help="How long each load is.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--factors", default="0.5,1,2,3,5,10", show_default=True, help="Multiples of the capacity, with commas.")
@click.option("--deadline-s", default=5.0, show_default=True, help="What takes longer is late.")
def main(by: str, over: str, seconds: float, rounds: int, factors: str, deadline_s: float) -> None:
    each = [float(factor) for factor in factors.split(",")]
    asyncio.run(bench(by, over, seconds, rounds, deadline_s, each))


if __name__ == "__main__":
    main()
