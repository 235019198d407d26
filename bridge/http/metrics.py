"""Counts and measures for Prometheus."""

import asyncio
import importlib.metadata
import platform
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import grpc
import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from bridge.http.worker_group import WorkerGroup, WorkerProcesses

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # else each has one more series, of when it began
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


LAG_PERIOD_S: Final = 0.1


class EventLoopLag:
    """Looks how late the running event loop is, until it is told to stop.

    Args:
        observe: Gets it, in seconds.
    """

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def stop(self) -> None:
        """Looks no more."""
        self._timer.cancel()

    def _schedule(self) -> None:
        self._timer = self._loop.call_later(LAG_PERIOD_S, self._look)

    def _look(self) -> None:
        self._observe(max(0.0, self._loop.time() - self._timer.when()))
        self._schedule()


class Metrics:
    """The metrics of one application, in a registry of their own.

    Among several workers each keeps its own in a file, and whichever is asked tells them of all together. A gauge says
    in `multiprocess_mode` what that means for it.

    Labels hold only what the bridge itself chooses (routes, statuses, codes), never what a client sent: each new value
    would be a new series for ever.

    Args:
        group: The workers that the process is one of; None if it is alone.
    """

    def __init__(self, group: WorkerGroup | None = None) -> None:
        self._registry = CollectorRegistry()
        self._told = _registry_of(group) if group else self._registry
        if group is None:
            ProcessCollector(registry=self._registry)
        self.requests = self._counter(
            "requests", "Requests answered, by route and HTTP status; 499 is a client that left.", "route", "status"
        )
        self.request_duration = Histogram(
            "runstream_bridge_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.time_to_first_event = Histogram(
            "runstream_bridge_time_to_first_event_seconds",
            "Time from a request's headers to the first event of its streamed answer.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.stream_errors = self._counter(
            "stream_errors", "Streams that ended with an error after their first event, by Cloudflare's code.", "code"
        )
        self.streams_open = Gauge(
            "runstream_bridge_streams_open",
            "Streamed answers being written.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self.connections_open = Gauge(
            "runstream_bridge_connections_open",
            "Connections of clients, those in a TLS handshake among them.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self.connections_ended = self._counter(
            "connections_ended", "Connections that the bridge refused or ended by itself, by reason.", "reason"
        )
        self.failures = self._counter(
            "request_failure",
            "Requests that were refused or failed, by the reason of the error or the name of the HTTP status.",
            "reason",
        )
        self.event_loop_lag = Histogram(
            "runstream_bridge_event_loop_lag_seconds",
            "How late the event loop runs what is due, looked at ten times a second.",
            buckets=LAG_BOUNDS_S,
            registry=self._registry,
        )
        self._num_connections: Callable[[], int] = lambda: 0
        self._tell_build()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"runstream_bridge_{name}", text, labels, registry=self._registry)

    def _tell_build(self) -> None:
        build = {
            "version": importlib.metadata.version("runstream"),
            "python": platform.python_version(),
            "aiohttp": aiohttp.__version__,
            "grpcio": grpc.__version__,
        }
        text = "1; the labels tell what runs."
        name = "runstream_bridge_build_info"
        gauge = Gauge(name, text, list(build), multiprocess_mode="max", registry=self._registry)
        gauge.labels(**build).set(1)

    def watch_connections(self, num_connections: Callable[[], int]) -> None:
        """Has the number of open connections looked at from time to time: workers know their own only."""
        self._num_connections = num_connections

    def look(self, lag_s: float) -> None:
        """Takes how late the event loop is, and looks how many connections there are."""
        self.event_loop_lag.observe(lag_s)
        self.connections_open.set(self._num_connections())

    def count_ended_connection(self, reason: str) -> None:
        """Counts a connection that was refused, or was not waited for any longer."""
        self.connections_ended.labels(reason).inc()

    def exposition(self) -> web.Response:
        """All metrics in Prometheus's text format."""
        return web.Response(body=generate_latest(self._told), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def families(self) -> dict[str, Metric]:
        """All metrics by name, of all workers together."""
        return {family.name: family for family in self._told.collect()}


def _registry_of(group: WorkerGroup) -> CollectorRegistry:
    """The figures of the workers' files, and of the processes themselves."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(group.folder))  # type: ignore[no-untyped-call]
    registry.register(WorkerProcesses(group))
    return registry


async def watch_event_loop(app: web.Application) -> AsyncIterator[None]:
    """Looks at the process as long as the application lives; for `app.cleanup_ctx`."""
    lag = EventLoopLag(app[METRICS].look)
    yield
    lag.stop()


METRICS = web.AppKey("metrics", Metrics)
