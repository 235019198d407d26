"""The job that starts service and bridge on a random checkpoint and asks them."""

import asyncio
import importlib.util
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.gpu.cases import SERVED, Case
from bench.gpu.jobs import way_of
from bench.gpu.served_checkpoint import MODEL, save_checkpoint
from bench.roofline import Measurement, kv_bytes_per_token
from service.engine_protocol.acceleration import Acceleration

_NEEDED = ("aiohttp", "grpc", "grpc_status", "grpc_health", "grpc_reflection", "jsonschema", "swagger_ui", "llguidance")
_MAX_NUM_SEQS = 256
_MAX_NUM_BATCHED_TOKENS = 8192
_LOAD_WAIT_S = 300
_MIB = 1 << 20
_SPARE_TOKENS = 8192


@dataclass(frozen=True)
class ServingJob:
    """Measures what goes through the service.

    Attributes:
        device: Where its engine runs.
        accelerations: With what.
        cases: What; all of one model.
        label: As `EngineJob`'s.
    """

    device: str
    accelerations: frozenset[Acceleration]
    cases: tuple[Case, ...] = SERVED
    label: str = ""
    limit_s: float = 240.0

    @property
    def way(self) -> str:
        """How the table calls its accelerations."""
        return way_of(self.accelerations, self.label)

    def run(self) -> Iterator[Measurement]:
        """Measures one after the other.

        Raises:
            ImportError: A package is missing.
        """
        missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(f"not installed: {', '.join(missing)}")
        with tempfile.TemporaryDirectory() as folder:
            catalog = save_checkpoint(Path(folder), self.cases[0], self.device)
            with asyncio.Runner() as runner:
                found = self._measure(catalog)
                while (measurement := runner.run(anext(found, None))) is not None:
                    yield measurement

    async def _measure(self, catalog: Path) -> AsyncIterator[Measurement]:
        # These need the packages that were looked for.
        import aiohttp
        import grpc

        from bench.gpu.served_cases import Client
        from bench.serving.server import running_server

        port = _free_port()
        with running_server(MODEL, catalog, 1, self._service_options(port)) as server:
            async with grpc.aio.insecure_channel(server.target) as channel, aiohttp.ClientSession() as http:
                client = Client(server, f"http://127.0.0.1:{port}/metrics", channel, http)
                for case in self.cases:
                    yield Measurement(case.name, self.way, await client.measure(case))

    def _service_options(self, metrics_port: int) -> list[str]:
        room = max(case.num_sequences * (case.num_tokens + case.num_new_tokens + 16) for case in self.cases)
        kv_bytes = (room + _SPARE_TOKENS) * kv_bytes_per_token(self.cases[0].shape)
        options = ["--device", self.device, "--metrics-port", str(metrics_port), "--load-wait-s", str(_LOAD_WAIT_S)]
        options += ["--max-num-seqs", str(_MAX_NUM_SEQS), "--max-num-batched-tokens", str(_MAX_NUM_BATCHED_TOKENS)]
        options += ["--kv-cache-memory-mib", str(-(-kv_bytes // _MIB))]
        return [*options, "--accelerate", ",".join(self.accelerations) or "none"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
