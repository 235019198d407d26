"""Mixed load for long: whether memory, open files and threads of each process stay what they are.

    python -m bench.serving.soak [--minutes N]

Service and bridge run as processes of their own with the demo model; this process asks, on the same cores: whole
answers, streams that are read, streams that are left, gRPC, answers that must be JSON, requests that are wrong. The KV
cache is small, so that all of it is in use soon. The first third of the time warms up and is not counted. Memory is
RssAnon and VmSwap. Its slope is the least-squares line through the means of 20 equal spans. The interval is Student's
of 95 % with 18 degrees of freedom, for two variances together. One is that of noise around a line, widened by the
first autocorrelation r of what the line leaves: by (1 + r) / (1 - r). The other is that of a walk, as memory goes in
steps and stays there. A walk that gains the variance v in each span has slopes of the variance 6/5 v / spans (Durlauf
and Phillips, Trends versus random walks in time series analysis, 1988). v is the variance of the differences from span
to span and twice their first autocovariance, in which noise cancels out. Linux only.
"""

import asyncio
import itertools
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import click
import grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bench.serving.footprint import Footprint, footprint
from bench.serving.server import Server, running_server

MODEL = "@runstream/demo"
NUM_CLIENTS = 8
KV_CACHE_MIB = 32
NUM_SPANS = 20
STUDENT_T = 2.101  # two-sided 95 %, NUM_SPANS - 2 degrees of freedom
WARM_UP = 1 / 3
PERIOD_S = 1.0
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"]}


class Load:
    """Clients that ask all kinds of things.

    Attributes:
        ends: How often each kind of request ended which way.
    """

    def __init__(self, server: Server, http: aiohttp.ClientSession, channel: grpc.aio.Channel) -> None:
        self.ends: Counter[str] = Counter()
        self._account_url = f"{server.url}/client/v4/accounts/soak/ai/run/{MODEL}"
        self._chat_url = f"{server.url}/v1/chat/completions"
        self._http = http
        self._stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        self._numbers = itertools.count()

    async def client(self, seed: int, end_at: float) -> None:
        """Asks one thing after the other until it is time."""
        source = random.Random(seed)
        kinds: list[Callable[[random.Random], Awaitable[str]]] = [
            *(self._whole, self._stream, self._left, self._chat, self._json, self._wrong, self._run_stream),
        ]
        while time.perf_counter() < end_at:
            kind = source.choice(kinds)
            try:
                self.ends[f"{kind.__name__.strip('_')}: {await kind(source)}"] += 1
            except (aiohttp.ClientError, grpc.aio.AioRpcError, TimeoutError) as error:
                self.ends[f"{kind.__name__.strip('_')}: {type(error).__name__}"] += 1

    def _body(self, source: random.Random, **more: Any) -> dict[str, Any]:
        prompt = f"What is {next(self._numbers)} plus {source.randrange(100)}?" + " and" * source.randrange(200)
        return {"prompt": prompt, "max_tokens": source.randrange(1, 100), "ignore_eos": True, **more}

    async def _whole(self, source: random.Random) -> str:
        async with self._http.post(self._account_url, json=self._body(source)) as response:
            await response.read()
            return str(response.status)

    async def _stream(self, source: random.Random) -> str:
        async with self._http.post(self._account_url, json=self._body(source, stream=True)) as response:
            return "whole" if (await response.read()).endswith(b"data: [DONE]\n\n") else "cut"

    async def _left(self, source: random.Random) -> str:
        async with self._http.post(self._account_url, json=self._body(source, stream=True)) as response:
            await response.content.readline()
            response.close()
            return "left"

    async def _chat(self, source: random.Random) -> str:
        body = self._body(source)
        messages = [{"role": "user", "content": body.pop("prompt")}]
        async with self._http.post(self._chat_url, json={"model": MODEL, "messages": messages, **body}) as response:
            await response.read()
            return str(response.status)

    async def _json(self, source: random.Random) -> str:
        form = {"type": "json_schema", "json_schema": SCHEMA}
        body = {"prompt": "A city?", "max_tokens": 60, "seed": source.randrange(1, 1 << 30), "response_format": form}
        async with self._http.post(self._account_url, json=body) as response:
            await response.read()
            return str(response.status)

    async def _wrong(self, source: random.Random) -> str:
        async with self._http.post(self._account_url, json=self._body(source, temperature=99)) as response:
            await response.read()
            return str(response.status)

    async def _run_stream(self, source: random.Random) -> str:
        params = pb.SamplingParams(max_tokens=source.randrange(1, 100), ignore_eos=True)
        request = pb.RunRequest(
            model=MODEL, prompt=pb.Prompt(text=self._body(source)["prompt"]), sampling_params=params
        )
        num_parts = 0
        async for _ in self._stub.RunStream(request):
            num_parts += 1
        return "whole" if num_parts else "empty"


@dataclass
class Samples:
    """What one process held at each look, and when, in seconds."""

    times_s: list[float] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)

    def means(self) -> tuple[list[float], list[float]]:
        """The mean time of each span in hours, and its mean memory in KiB."""
        kib = [each.memory_kib for each in self.footprints]
        edges = [round(place * len(kib) / NUM_SPANS) for place in range(NUM_SPANS + 1)]
        spans = list(itertools.pairwise(edges))
        hours = [statistics.mean(self.times_s[start:end]) / 3600 for start, end in spans]
        return hours, [statistics.mean(kib[start:end]) for start, end in spans]

    def slope(self) -> tuple[float, float]:
        """KiB an hour, and half the width of the interval around it."""
        hours, means = self.means()
        slope, intercept = statistics.linear_regression(hours, means)
        left = [y - slope * x - intercept for x, y in zip(hours, means, strict=True)]
        squares = sum(each**2 for each in left)
        spread = sum((x - statistics.mean(hours)) ** 2 for x in hours)
        widening = (1 + _autocorrelation(left)) / (1 - _autocorrelation(left))
        of_noise = widening * squares / (NUM_SPANS - 2) / spread
        span = statistics.mean(_differences(hours))
        return slope, STUDENT_T * (of_noise + 6 / 5 * _gain(_differences(means)) / NUM_SPANS / span**2) ** 0.5


def _differences(values: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(values)]


def _gain(differences: list[float]) -> float:
    """The variance that a walk gains in each span, from the differences of the spans' means."""
    mean = statistics.mean(differences)
    products = [(before - mean) * (after - mean) for before, after in itertools.pairwise(differences)]
    return max(0.0, statistics.variance(differences) + 2 * sum(products) / (len(differences) - 1))


def _autocorrelation(left: list[float]) -> float:
    """How alike neighbours are, from 0 (not at all, or opposed) to less than 1."""
    squares = sum(each**2 for each in left)
    return max(0.0, sum(a * b for a, b in itertools.pairwise(left)) / squares) if squares else 0.0


async def sample(server: Server, begin_at: float, end_at: float) -> dict[str, Samples]:
    """Looks at each process once in a while, from when it is warm."""
    await asyncio.sleep(max(0.0, begin_at - time.perf_counter()))
    samples = {name: Samples() for name in server.pids}
    while (now := time.perf_counter()) < end_at:
        for name, pid in server.pids.items():
            samples[name].times_s.append(now)
            samples[name].footprints.append(footprint(pid))
        await asyncio.sleep(PERIOD_S)
    return samples


def print_table(samples: dict[str, Samples]) -> None:
    """Prints a row for each process."""
    print("| process | MiB at first | at last | KiB an hour | 95 % interval | is 0 in it | files | threads |")
    print("|---|---|---|---|---|---|---|---|")
    for name, found in samples.items():
        slope, half = found.slope()
        first, last = found.footprints[0], found.footprints[-1]
        num_files = [each.num_files for each in found.footprints]
        num_threads = [each.num_threads for each in found.footprints]
        cells = (
            *(name, f"{first.memory_kib / 1024:.1f}", f"{last.memory_kib / 1024:.1f}"),
            *(f"{slope:+.0f}", f"{slope - half:+.0f} to {slope + half:+.0f}", "yes" if abs(slope) <= half else "no"),
            *(f"{min(num_files)} to {max(num_files)}", f"{min(num_threads)} to {max(num_threads)}"),
        )
        print(f"| {' | '.join(cells)} |")
    print()
    for name, found in samples.items():
        print(f"- {name}, MiB in each span: {' '.join(f'{mean / 1024:.2f}' for mean in found.means()[1])}")


async def soak(server: Server, minutes: float) -> None:
    """Asks and looks at the same time; prints what was seen."""
    begun_at = time.perf_counter()
    end_at = begun_at + 60 * minutes
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(timeout=timeout) as http, grpc.aio.insecure_channel(server.target) as channel:
        load = Load(server, http, channel)
        sampling = asyncio.create_task(sample(server, begun_at + WARM_UP * 60 * minutes, end_at))
        await asyncio.gather(*(load.client(seed, end_at) for seed in range(NUM_CLIENTS)))
        samples = await sampling
    print(f"{sum(load.ends.values())} requests in {minutes:g} minutes, the first {WARM_UP * minutes:g} to warm up.\n")
    print_table(samples)
    print()
    for end, count in sorted(load.ends.items()):
        print(f"- {end}: {count}")


@click.command(help=__doc__)
@click.option("--minutes", default=90.0, show_default=True, type=click.FloatRange(min=1))
def main(minutes: float) -> None:
    print(f"This takes {minutes:g} minutes.", file=sys.stderr)
    with running_server(MODEL, None, 1, ("--kv-cache-memory-mib", str(KV_CACHE_MIB))) as server:
        asyncio.run(soak(server, minutes))


if __name__ == "__main__":
    main()
