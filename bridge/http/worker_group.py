"""A worker among others: what it shares with them, in a folder that nobody else can read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """The workers of one bridge, seen by one of them.

    Attributes:
        index: Which of them this is, from 0. Whoever takes the place of one that has died has its index.
        size: How many there are.
        folder: What they share: files of metrics, process ids and sockets.
    """

    index: int
    size: int
    folder: Path

    def socket_of(self, index: int) -> Path:
        """The file in which a worker tells the others of its requests."""
        return self.folder / f"worker-{index}.sock"

    def tell_pid(self, pid: int) -> None:
        """Tells the others which process it is."""
        (self.folder / f"worker-{self.index}.pid").write_text(str(pid))

    def pids(self) -> dict[int, int]:
        """The process ids by index; those of workers that are being started again are missing or gone."""
        return {index: int(text) for index in range(self.size) if (text := self._pid_text(index))}

    def _pid_text(self, index: int) -> str:
        try:
            return (self.folder / f"worker-{index}.pid").read_text()
        except FileNotFoundError:
            return ""


class WorkerProcesses(Collector):
    """The figures that a process has by itself, such as its memory, of each worker, with its index as a label."""

    def __init__(self, group: WorkerGroup) -> None:
        self._group = group

    def collect(self) -> Iterator[Metric]:
        """Reads them."""
        families: dict[str, Metric] = {}
        for index, pid in self._group.pids().items():
            for family in _figures_of(pid):
                labelled = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    labelled.add_sample(sample.name, {**sample.labels, "worker": str(index)}, sample.value)
        yield from families.values()


def _figures_of(pid: int) -> list[Metric]:
    try:
        return list(ProcessCollector(pid=lambda: pid, registry=None).collect())
    except OSError:
        return []  # it ended meanwhile


WORKER_GROUP = web.AppKey("worker_group", WorkerGroup)
