"""The service as a whole: gRPC server, engines, health and metrics, from start to drain."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from runstream.v1 import (
    batches_pb2,
    batches_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    text_generation_pb2,
    text_generation_pb2_grpc,
)

from logs.grpc_log import quiet_grpc
from service.batches.batches import Batches
from service.config import ServiceConfig
from service.edge_workers.local_calls import LocalCalls
from service.edge_workers.workers import EdgeWorkers, Options
from service.engine_client.child import Spawner
from service.event_loop_lag import EventLoopLag
from service.generation import TextGenerator
from service.metrics import Metrics, Watched
from service.metrics_server import start_metrics_server
from service.models.auto_device import on_chosen_device
from service.models.loading import LoadableModel
from service.models.opening import catalog_of, open_models
from service.rpc.auth import Callers, open_tokens
from service.rpc.batches import BatchServicer
from service.rpc.calls import Calls
from service.rpc.health import Health
from service.rpc.http2 import server_options
from service.rpc.models import ModelServicer
from service.rpc.ports import address, check_port, listen_on_socket
from service.rpc.rate_limits import RateLimits
from service.rpc.reflection import Reflection
from service.rpc.request_message import RequestMessages
from service.rpc.slow_readers import SlowReaders
from service.rpc.text_generation import TextGenerationServicer
from service.rpc.tls import server_credentials
from service.rpc.traces import TracedCalls
from tracing.opening import open_tracing

MAX_TRACES_ASKED_FOR_PER_S = 1000

_FILES = (text_generation_pb2.DESCRIPTOR, models_pb2.DESCRIPTOR, batches_pb2.DESCRIPTOR)
_SERVICES = tuple(service.full_name for file in _FILES for service in file.services_by_name.values())
_STOP_GRACE_S = 0.5

quiet_grpc()


class Service:
    """One gRPC server with its engines. To be made and used in one event loop.

    Args:
        config: The settings.
        report: Gets lines about the progress of the start.
        spawner: See `open_models`.
        has_port: Whether it listens; without a port its calls come by `local_calls`.

    Raises:
        CatalogError, ConfigError, TracingError, WeightsMissingError: It can't start like that.

    Attributes:
        port: Where it listens, once started; 0 if on a socket.
        metrics_port: Where its metrics are, once started; 0 if nowhere.
        models: Its models.
        calls: The calls that it is answering.
    """

    def __init__(
        self,
        config: ServiceConfig,
        report: Callable[[str], None],
        spawner: Spawner | None = None,
        *,
        has_port: bool = True,
    ) -> None:
        self.port = 0
        self.metrics_port = 0
        catalog = catalog_of(config)
        config, self._chosen_device = on_chosen_device(config, catalog)
        self.models = open_models(config, catalog, spawner)
        self.calls = Calls(config.default_timeout_s)
        self._config = config
        self._has_port = has_port
        self._report = report
        self._tracing = open_tracing(config.otlp_endpoint, "runstream-service", MAX_TRACES_ASKED_FOR_PER_S)
        self._metrics = Metrics()
        self._metrics.tell_build(config.devices)
        self._generator = TextGenerator(self.models, self._metrics)
        self._limits = RateLimits(config.default_limits)
        self._batches = Batches(
            self.models, self._generator, self._metrics, config.batch_ttl_s, charge=self._limits.charge_batch
        )
        self._health = Health(self.models, _SERVICES)
        self._server = self._grpc_server()
        self._ends = contextlib.AsyncExitStack()

    @property
    def edge_workers(self) -> EdgeWorkers | None:
        """The processes that have gRPC's connections; None if this one has them."""
        return self._server if isinstance(self._server, EdgeWorkers) else None

    @property
    def local_calls(self) -> LocalCalls | None:
        """Answers the calls that are passed to it; None if it listens on a port."""
        return self._server if isinstance(self._server, LocalCalls) else None

    @property
    def is_serving(self) -> bool:
        """Whether any model serves, or is being loaded for a request."""
        return self._health.is_serving

    async def start(self) -> None:
        """Listens, then loads; calls wait for their model, for as long as the config says.

        Raises:
            ConfigError: A port or the file of the batches is in use, or there is no certificate with its key.
            RunstreamError: No model can be loaded; this is why the first can't.
        """
        self._listen()
        lag = EventLoopLag(self._metrics.event_loop_lag.observe)
        self._ends.callback(lag.stop)
        if batch_db := self._config.batch_db_of(self.port):
            self._batches.open(batch_db)
        self._ends.push_async_callback(self._batches.stop)
        self._ends.push_async_callback(self._server.stop, _STOP_GRACE_S)
        await self._server.start()
        following = asyncio.create_task(self._health.follow())
        self._ends.callback(following.cancel)
        self._ends.push_async_callback(self.models.stop)
        self.models.on_open(self._watch)
        await self._load()
        self._batches.start()
        unloading = asyncio.create_task(self.models.follow())
        self._ends.callback(unloading.cancel)

    def _watch(self, model: LoadableModel) -> None:
        watched = Watched(model.engine, lambda: model.state, lambda: model.num_waiting)
        self._metrics.watch(model.entry.id, watched)

    async def _load(self) -> None:
        if self._chosen_device:
            self._report(f"chosen by --device auto: {self._chosen_device}")
        if self._config.load == "at-start":
            for model in self.models.opened:
                self._report(f"loading {model.entry.id} on {', '.join(self._config.devices)} ...")
        for model_id, failure in (await self.models.load_all()).items():
            self._report(f"NOT LOADED: {model_id}: {failure.message}")

    async def stop(self, drain_timeout_s: float = 0.0) -> None:
        """Drains, then ends everything that was started."""
        self._health.drain()
        self._batches.drain()
        await self.calls.drain(drain_timeout_s)
        await self._ends.aclose()
        self._generator.close()
        await asyncio.to_thread(self._tracing.close)

    def _grpc_server(self) -> grpc.aio.Server | EdgeWorkers | LocalCalls:
        tokens = open_tokens(self._config.token, self._config.token_file)
        callers = Callers(tokens, self._config.trusted_names, self._limits)
        config = self._config
        options = server_options(config.max_connections, config.max_streams_per_connection, config.max_connection_age_s)
        slow_readers = SlowReaders(self._config.write_timeout_s, self._metrics.count_slow_reader)
        messages = RequestMessages(self._config.default_timeout_s, self._metrics.count_failure)
        traced = [TracedCalls(self._tracing)] if self._tracing.is_on else []
        made = self._bare_server([*traced, messages], options)
        server: Any = made  # the stubs want grpc.aio's own
        text_generation_pb2_grpc.add_TextGenerationServiceServicer_to_server(
            TextGenerationServicer(self._generator, self.calls, callers, self._metrics, slow_readers), server
        )
        models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(self.models, callers, self._metrics), server)
        batches_pb2_grpc.add_BatchServiceServicer_to_server(
            BatchServicer(self._batches, self.calls, callers, self._metrics), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        Reflection((*_FILES, health_pb2.DESCRIPTOR), callers, self._metrics.count_failure).add_to(server)
        return made

    def _bare_server(
        self, interceptors: list[grpc.aio.ServerInterceptor], options: Options
    ) -> grpc.aio.Server | EdgeWorkers | LocalCalls:
        if not self._has_port:
            return LocalCalls(interceptors)
        if self._config.edge_workers > 1:
            return EdgeWorkers(self._config, interceptors, options)
        return grpc.aio.server(interceptors=interceptors, options=options)

    def _listen(self) -> None:
        config = self._config
        if not self._has_port:
            pass
        elif path := config.unix_path:
            listen_on_socket(path, self._add_port)
            self._ends.callback(path.unlink, missing_ok=True)
        else:
            check_port(config.host, config.port, "--port")
            self.port = self._add_port(address(config.host, config.port))
        if config.metrics_port:
            host = "127.0.0.1" if config.unix_path else config.host
            check_port(host, config.metrics_port, "--metrics-port")
            stop = start_metrics_server(self._metrics.registry, host, config.metrics_port)
            self.metrics_port = config.metrics_port
            self._ends.callback(stop)

    def _add_port(self, where: str) -> int:
        assert not isinstance(self._server, LocalCalls)
        if isinstance(self._server, EdgeWorkers):
            return self._server.take_port()
        if files := self._config.tls_files:
            return self._server.add_secure_port(where, server_credentials(files))
        return self._server.add_insecure_port(where)


async def serve(config: ServiceConfig, report: Callable[[str], None], spawner: Spawner | None = None) -> None:
    """Runs a service until SIGTERM or SIGINT, and drains it; a second signal ends it at once.

    SIGTERM lets running calls go on for `drain_timeout_s`; SIGINT, which is a person at a terminal, does not.

    Raises:
        CatalogError, ConfigError, TracingError, RunstreamError: It can't start.
    """
    service = Service(config, report, spawner)
    stopping = _first_signal()
    starting = asyncio.create_task(service.start())
    drain_timeout_s = 0.0
    try:
        either: set[asyncio.Future[Any]] = {starting, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            if config.stand_in:
                report(_banner(config.stand_in))
            with_tls = (" with mutual TLS" if config.tls_client_ca else " with TLS") if config.tls_cert else ""
            report(f"service listening on {address(config.host, service.port)}{with_tls}")
            drain_timeout_s = config.drain_timeout_s if await stopping is signal.SIGTERM else 0.0
            report(f"draining for up to {drain_timeout_s:g} s ..." if drain_timeout_s else "stopping ...")
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await service.stop(drain_timeout_s)


def _banner(stand_in: str) -> str:
    line = f"  {stand_in} STANDS IN for every model of the catalog that is not loaded: its answers are not theirs  "
    return "\n".join(("*" * len(line), line, "*" * len(line)))


def _first_signal() -> asyncio.Future[signal.Signals]:
    loop = asyncio.get_running_loop()
    first: asyncio.Future[signal.Signals] = loop.create_future()

    def take(received: signal.Signals) -> None:
        if first.done():
            os._exit(128 + received)  # the engines end with the pipes to them
        first.set_result(received)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, take, each)
    return first
