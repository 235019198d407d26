"""A thousand streams of server-sent events at once: whether all complete, and what each takes of memory.

    python -m bench.serving.many_streams [--streams N] [--tokens N] [--tokens-per-s N]

Service and bridge run as processes of their own behind an engine that computes nothing (`scripted_engine`) and gives
all streams together so many tokens a second; this process is the client, on the same cores. Memory is RssAnon and
VmSwap: the most while all streams are open, less what it was after a tenth of them had come and gone. Linux only.
"""

import asyncio
import resource
import sys
import time

import aiohttp
import click

from bench.serving.footprint import footprint
from bench.serving.server import Server, running_server

MODEL = "@runstream/demo"
PERIOD_S = 0.5


class Streams:
    """Streams that are read to their ends.

    Attributes:
        num_open, num_complete: How many have had text and not their end, and how many have had their whole end.
        ends: What ended the others, and how often.
    """

    def __init__(self, url: str, num_tokens: int) -> None:
        self.num_open = self.num_complete = 0
        self.ends: dict[str, int] = {}
        self._url = f"{url}/client/v4/accounts/bench/ai/run/{MODEL}"
        self._body = {"prompt": "Where is New York?", "stream": True, "max_tokens": num_tokens}

    async def read(self, http: aiohttp.ClientSession) -> None:
        """Asks for one and reads it."""
        last, is_open = b"", False
        try:
            async with http.post(self._url, json=self._body) as response:
                async for line in response.content:
                    if not is_open and response.status == 200:
                        self.num_open, is_open = self.num_open + 1, True
                    last = line.strip() or last
        except aiohttp.ClientError as error:
            last = type(error).__name__.encode()
        self.num_open -= is_open
        if last == b"data: [DONE]":
            self.num_complete += 1
        else:
            end = last.decode(errors="replace")[:120]
            self.ends[end] = self.ends.get(end, 0) + 1


async def memory_while(
    tasks: list["asyncio.Task[None]"], streams: Streams, server: Server
) -> tuple[dict[str, int], int]:
    """The most memory of each process, in KiB, and the most streams that were open, until all have ended."""
    most_kib: dict[str, int] = dict.fromkeys(server.pids, 0)
    most_open = 0
    while not all(task.done() for task in tasks):
        await asyncio.wait(tasks, timeout=PERIOD_S)
        most_open = max(most_open, streams.num_open)
        for name, pid in server.pids.items():
            most_kib[name] = max(most_kib[name], footprint(pid).memory_kib)
    return most_kib, most_open


async def ask_all(server: Server, num_streams: int, num_tokens: int) -> tuple[Streams, dict[str, int], int]:
    """Opens so many at once and reads all to their ends."""
    streams = Streams(server.url, num_tokens)
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        tasks = [asyncio.create_task(streams.read(http)) for _ in range(num_streams)]
        return streams, *await memory_while(tasks, streams, server)


async def measure(server: Server, num_streams: int, num_tokens: int) -> None:
    """Warms up, asks and prints the table."""
    await ask_all(server, max(1, num_streams // 10), num_tokens)
    before_kib = {name: footprint(pid).memory_kib for name, pid in server.pids.items()}
    begun_at = time.perf_counter()
    streams, most_kib, most_open = await ask_all(server, num_streams, num_tokens)
    took_s = time.perf_counter() - begun_at
    print("| streams | open at once | complete | seconds | KiB a stream: bridge | service |\n|---|---|---|---|---|---|")
    kib = [(most_kib[name] - before_kib[name]) / num_streams for name in ("bridge", "service")]
    cells = (num_streams, most_open, streams.num_complete, f"{took_s:.0f}", *(f"{each:.1f}" for each in kib))
    print(f"| {' | '.join(map(str, cells))} |")
    for end, count in streams.ends.items():
        print(f"\n{count} ended with {end}")


@click.command(help=__doc__)
@click.option("--streams", default=1_000, show_default=True)
@click.option("--tokens", default=64, show_default=True, help="Of each stream.")
@click.option("--tokens-per-s", default=2_000, show_default=True, help="Of all streams together.")
def main(streams: int, tokens: int, tokens_per_s: int) -> None:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    engine = f"{sys.executable} -m bench.serving.scripted_engine --tokens-per-s {tokens_per_s}"
    options = ("--engine-command", engine, "--max-num-seqs", str(streams), "--max-num-batched-tokens", str(streams))
    with running_server(MODEL, None, 1, options) as server:
        asyncio.run(measure(server, streams, tokens))


if __name__ == "__main__":
    main()
