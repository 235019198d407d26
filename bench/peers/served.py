"""Through HTTP: this server beside llama.cpp's own, and beside its engine alone."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from tokenizers import Tokenizer

from bench.peers.cases import DECODE_1, DECODE_16, WHOLE, Case
from bench.peers.contestants import Contestant
from bench.peers.environments import ROOT, MissingPeerError
from bench.peers.rounds import Figures, Setup, start, timed
from bench.serving.server import running_server

_MODEL: Final = "@bench/peers"
_CATALOG: Final = """
[models."{model}"]
description = "A random model."
checkpoint = "{weights}"
dtype = "{dtype}"
quantization = "{quantization}"
context_window = 1024
"""
_NUM_TEXT_TOKENS: Final = 4096
"""The ids below it are tokens that texts become."""
ENGINE_ALONE: Final = "engine alone"

Ask = Callable[[aiohttp.ClientSession, Case, list[int]], Awaitable[int]]


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        name: Its row.
        ask: Sends a prompt; gives the number of tokens that came.
    """

    name: str
    ask: Ask


def measure_served(ours: Contestant, peer: Contestant, setup: Setup) -> Figures:
    """Lets both servers and the engine alone answer 1 and 16 requests in turn.

    All processes of a server share the core of the engines; this process, the client, keeps off it.
    """
    figures = Figures()
    with contextlib.ExitStack() as stack:
        alone = stack.enter_context(contextlib.closing(start(ours, setup)))
        servers: list[Served] = []
        for contestant, serve in ((ours, serving_ours), (peer, serving_llama_cpp)):
            try:
                servers.append(stack.enter_context(serve(contestant, setup)))
            except (MissingPeerError, SystemExit) as error:
                figures.drop(over_http(contestant), str(error))
        stack.enter_context(_off(setup.core))
        for number in range(setup.rounds + 1):
            print(f"served, round {number} of {setup.rounds}" if number else "warming up", file=sys.stderr, flush=True)
            for server in servers:
                found = {case.name: asyncio.run(_rate(server, case, number)) for case in (DECODE_1, DECODE_16)}
                if number:
                    figures.add(server.name, found, 0.0)
            if number:
                figures.add(ENGINE_ALONE, {DECODE_16.name: timed(alone, DECODE_16, number)[0][WHOLE]}, 0.0)
    return figures


def over_http(contestant: Contestant) -> str:
    """The row of a server."""
    return f"{contestant.name} over HTTP"


async def _rate(server: Served, case: Case, seed: int) -> float:
    """Tokens per second from the first request to the last token, prompts included."""
    prompts = case.prompts(_NUM_TEXT_TOKENS, seed)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        begun_at = time.perf_counter()
        numbers = await asyncio.gather(*(server.ask(http, case, prompt) for prompt in prompts))
        return sum(numbers) / (time.perf_counter() - begun_at)


@contextlib.contextmanager
def serving_ours(contestant: Contestant, setup: Setup) -> Iterator[Served]:
    """Starts service and bridge."""
    weights = setup.cache.weights(contestant.weights)
    catalog = setup.cache.folder / "catalog.toml"
    catalog.write_text(_CATALOG.format(model=_MODEL, weights=weights, **contestant.options))
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    with contextlib.ExitStack() as stack:
        with _children_on(setup.core):
            server = stack.enter_context(
                running_server(_MODEL, catalog, num_threads=1, service_options=("--device", "cpu"))
            )
        url = f"{server.url}/client/v4/accounts/bench/ai/run/{_MODEL}"

        async def ask(http: aiohttp.ClientSession, case: Case, prompt: list[int]) -> int:
            text = tokenizer.decode(prompt)
            body = {"prompt": text, "raw": True, "stream": True, "max_tokens": case.num_new_tokens, "temperature": 0}
            last = await _last_event(http, url, body)
            return int(last["usage"]["completion_tokens"])

        yield Served(over_http(contestant), ask)


@contextlib.contextmanager
def serving_llama_cpp(contestant: Contestant, setup: Setup) -> Iterator[Served]:
    """Starts llama.cpp's server.

    Raises:
        MissingPeerError: It can't be had, or does not start.
    """
    python, weights = setup.cache.python_of(contestant.environment), setup.cache.weights(contestant.weights)
    with _llama_server(python, weights, setup) as url:

        async def ask(http: aiohttp.ClientSession, case: Case, prompt: list[int]) -> int:
            sampling = {"n_predict": case.num_new_tokens, "temperature": 0, "samplers": ["temperature"]}
            body = {"prompt": prompt, "stream": True, "ignore_eos": True, "cache_prompt": False, **sampling}
            last = await _last_event(http, f"{url}/completion", body)
            return int(last["tokens_predicted"])

        yield Served(over_http(contestant), ask)


@contextlib.contextmanager
def _llama_server(python: Path, weights: Path, setup: Setup) -> Iterator[str]:
    command = [str(python), "-m", "bench.peers.workers.llama_server"]
    command.append(json.dumps({"weights": str(weights), "port": _free_port()}))
    with _children_on(setup.core):
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    try:
        assert process.stdout is not None
        words = "listening on "
        line = next((line for line in process.stdout if line.startswith(words)), "")
        if not line:
            raise MissingPeerError("llama.cpp's server did not start")
        yield line.removeprefix(words).strip()
    finally:
        process.kill()
        process.communicate()


def _free_port() -> int:
    """llama.cpp's server takes no 0 for its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _last_event(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The last of an answer's server-sent events."""
    last = b"{}"
    async with http.post(url, json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            last = line.removeprefix(b"data: ") if line.startswith(b"data: {") else last
    event: dict[str, Any] = json.loads(last)
    return event


@contextlib.contextmanager
def _children_on(core: int) -> Iterator[None]:
    """Processes that are started meanwhile stay on a core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def _off(core: int) -> Iterator[None]:
    """Keeps this thread off a core, if there is another one."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores - {core} or cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def servers_of(contestants: Sequence[Contestant]) -> tuple[Contestant, Contestant] | None:
    """The first contestants of this engine and of llama.cpp, which have servers; None if one is left out."""
    ours = next((contestant for contestant in contestants if contestant.is_ours), None)
    peer = next((contestant for contestant in contestants if contestant.worker == "llama_cpp"), None)
    return (ours, peer) if ours and peer else None
