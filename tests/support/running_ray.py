"""Ray Serve with the application of deploy/ray, in processes of its own on loopback."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import grpc
import psutil
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.metric_samples import samples
from tests.support.missing_tools import skip_or_fail
from tests.support.ports import unused_ports
from tests.support.processes import handles_of_descendants, wait_for_the_end_of
from tests.support.repository import ROOT

FILE = ROOT / "deploy/ray/runstream.yaml"
TOKEN = "a-token-of-the-tests"
PATIENCE_S = 200.0
MAX_REPLICAS = 8

Settings = dict[str, Any]


@dataclass(frozen=True)
class Replica:
    """A replica that runs.

    Attributes:
        pid: Its process.
        metrics: What its service tells Prometheus.
    """

    pid: int
    metrics: dict[tuple[str, ...], float]

    @property
    def num_running(self) -> float:
        """How many requests its engine has."""
        return sum(value for (name, *_), value in self.metrics.items() if name == "runstream_num_requests_running")

    @property
    def num_begun(self) -> float:
        """How many requests have had a token."""
        name_of_count = "runstream_time_to_first_token_seconds_count"
        return sum(value for (name, *_), value in self.metrics.items() if name == name_of_count)

    @property
    def num_answered(self) -> float:
        """How many requests it has answered whole."""
        return sum(value for (name, *_), value in self.metrics.items() if name == "runstream_request_success_total")


@dataclass(frozen=True)
class RunningRay:
    """An application that runs.

    Attributes:
        target: Host and port of Ray's gRPC proxy.
        metrics_port: The first of the replicas'.
        process: What has started Ray.
        log: What it says, all replicas' logs with it.
    """

    target: str
    metrics_port: int
    process: subprocess.Popen
    log: IO[str]

    async def replicas(self) -> list[Replica]:
        """Those that serve their metrics now."""
        listening = await asyncio.to_thread(_listening, self.process.pid)
        found = []
        for port in range(self.metrics_port, self.metrics_port + MAX_REPLICAS):
            with contextlib.suppress(OSError):
                if port in listening:
                    found.append(Replica(listening[port], await samples(port)))
        return found

    async def until(self, told: Any) -> list[Replica]:
        """The replicas, once this is true of them."""
        async with asyncio.timeout(PATIENCE_S):
            while not told(replicas := await self.replicas()):
                pass
        return replicas

    async def until_healthy(self) -> None:
        """Waits until the application answers."""
        async with grpc.aio.insecure_channel(self.target) as channel, asyncio.timeout(PATIENCE_S):
            check = health_pb2_grpc.HealthStub(channel).Check
            while self.process.poll() is None:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
                    return
        raise AssertionError(f"it has ended:\n{self.said()}")

    def said(self) -> str:
        """Its log so far."""
        self.log.seek(0)
        return self.log.read()


def read_settings() -> Settings:
    """The config file; skips the test where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        skip_or_fail("ray is not installed: the application of Ray Serve is NOT tested")
    settings: Settings = yaml.safe_load(FILE.read_text())
    return settings


def deployment_of(settings: Settings) -> Settings:
    """The options of its one deployment."""
    (application,) = settings["applications"]
    (deployment,) = application["deployments"]
    found: Settings = deployment
    return found


@contextmanager
def run_ray(settings: Settings, engine_command: str, folder: Path) -> Iterator[RunningRay]:
    """Starts Ray with the application on free ports, and ends all of its processes."""
    ports = unused_ports(2)
    settings["http_options"]["port"], settings["grpc_options"]["port"] = ports
    metrics_port = _free_run_of_ports()
    settings["applications"][0]["args"] |= {"metrics_port": metrics_port, "engine_command": engine_command}
    path = folder / "runstream.yaml"
    path.write_text(yaml.safe_dump(settings))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RUNSTREAM_SERVICE_TOKEN": TOKEN}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.serving.ray_application", str(path)],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        running = RunningRay(f"127.0.0.1:{ports[1]}", metrics_port, process, log)
        try:
            yield running
        finally:
            started = handles_of_descendants(process.pid) if process.poll() is None else []
            process.send_signal(signal.SIGINT)
            wait_for_the_end_of(started)
            process.wait()


def _listening(pid: int) -> dict[int, int]:
    """The processes that a process's descendants listen with, by port."""
    found: dict[int, int] = {}
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found |= {it.laddr.port: process.pid for it in process.net_connections("tcp") if it.status == "LISTEN"}
    return found


def _free_run_of_ports() -> int:
    """The first of as many free ports as replicas may need."""
    taken = {it.laddr.port for it in psutil.net_connections("tcp") if it.laddr}
    for first in range(20_000 + os.getpid() % 5_000, 32_000):
        if not taken & set(range(first, first + MAX_REPLICAS)):
            return first
    raise AssertionError("no ports are free")
