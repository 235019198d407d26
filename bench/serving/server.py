"""Service and bridge as processes of their own, and the CPU time that each has used."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """What runs.

    Attributes:
        target: Where the service listens, for gRPC.
        url: Where the bridge listens.
        pids: The process ids of bridge, service and engine, by name.
    """

    target: str
    url: str
    pids: dict[str, int]

    def cpu_times_s(self) -> dict[str, float]:
        """The CPU time that each process has used so far, in seconds."""
        return {name: cpu_time_s(pid) for name, pid in self.pids.items()}


@contextlib.contextmanager
def running_server(
    model: str,
    catalog: Path | None,
    num_threads: int,
    service_options: Sequence[str] = (),
    bridge_options: Sequence[str] = (),
) -> Iterator[Server]:
    """Starts service and bridge on free ports, as `make run` does but for the ports, and ends them.

    From then on SIGTERM ends a benchmark as Ctrl-C does, so that it leaves no servers.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = ["--port", "0", "--metrics-port", "0", "--batch-db", "none"]
    options += ["--models", model, "--num-threads", str(num_threads)]
    if catalog:
        options += ["--catalog", str(catalog)]
    options += service_options
    with contextlib.ExitStack() as stack:
        service, target = stack.enter_context(started("service", *options))
        options = ["--port", "0", "--service", target, "--log-level", "WARNING", *bridge_options]
        bridge, url = stack.enter_context(started("bridge", *options))
        yield Server(target, url, {"bridge": bridge, "service": service, "engine": _engine_of(service)})


@contextlib.contextmanager
def started(module: str, *options: str) -> Iterator[tuple[int, str]]:
    """Starts a part; gives its process id and what it says it listens on."""
    command = [sys.executable, "-m", module, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        words = f"{module} listening on "
        line = next((line for line in process.stdout if line.startswith(words)), "")
        if not line:
            raise SystemExit(f"{module} did not start: run {' '.join(command)} to see why")
        # What it says from here on must be read, or it would block.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield process.pid, line.removeprefix(words).strip()
    finally:
        process.terminate()
        process.wait()


def _engine_of(service: int) -> int:
    """The engine's process, beside which a service may have edge workers."""
    lists = [(task / "children").read_text() for task in Path(f"/proc/{service}/task").iterdir()]
    children = map(int, " ".join(lists).split())
    (engine,) = (pid for pid in children if b"edge_workers" not in Path(f"/proc/{pid}/cmdline").read_bytes())
    return engine


def cpu_time_s(pid: int) -> float:
    """A process's user and system time, fields 14 and 15 of proc(5)'s stat; the name before them may have spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
