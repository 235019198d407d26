"""Health as gRPC defines it: SERVING only while an engine is there and makes progress."""

import asyncio
from typing import Any, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.models.model import Model
from service.models.models import Models

_Status: TypeAlias = "health_pb2.HealthCheckResponse.ServingStatus"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class _Servicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it comes without types
    """Answers checks and watches.

    The library's own servicer holds a lock while it writes to a watcher. One that does not read would hold up every
    change of a status, and with it the end of the service.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, _Status] = {"": _NOT_SERVING}
        self._news = asyncio.Event()
        self._is_final = False

    def set(self, service: str, status: _Status) -> None:
        """Sets the status of a service."""
        if not self._is_final:
            self._statuses[service] = status
            self._tell()

    def end(self) -> None:
        """Sets all to NOT_SERVING for good."""
        self._statuses = dict.fromkeys(self._statuses, _NOT_SERVING)
        self._is_final = True
        self._tell()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802
        """Answers with the status of a service."""
        if request.service not in self._statuses:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self._statuses[request.service])

    async def List(self, request: health_pb2.HealthListRequest, context: Any) -> health_pb2.HealthListResponse:  # noqa: N802
        """Answers with the status of everything that has one."""
        statuses = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._statuses.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    # A coroutine that writes, for the same reason as RunStream.
    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """Tells the status of a service, and each other one that it gets, but those that pass while one is written."""
        told = None
        while True:
            news = self._news
            status = self._statuses.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            await news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Health:
    """Reports the health of the server (""), of each gRPC service and, by its id, of each model that it is to serve.

    Server and services serve while any model does, or is being loaded for a request: the others' callers hear of theirs
    in the error.

    Attributes:
        servicer: Answers health checks and watches.
    """

    def __init__(self, models: Models, services: tuple[str, ...]) -> None:
        self.servicer = _Servicer()
        self._models = models
        self._services = ("", *services)
        self._has_changed = asyncio.Event()
        self._has_changed.set()
        models.on_open(self._follow_model)

    def _follow_model(self, model: Model) -> None:
        model.on_change(self._has_changed.set)
        self._has_changed.set()

    @property
    def is_serving(self) -> bool:
        """Whether any model serves, or is being loaded for a request."""
        return any(model.takes_requests for model in self._models.opened)

    async def follow(self) -> None:
        """Keeps the report true until cancelled."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            self._report()

    def drain(self) -> None:
        """Reports NOT_SERVING from now on."""
        self.servicer.end()

    def _report(self) -> None:
        models = self._models.opened
        serving = dict.fromkeys(self._models.not_here, False)
        serving |= {model.entry.id: model.is_serving for model in models}
        serving |= dict.fromkeys(self._services, self.is_serving)
        for service, is_serving in serving.items():
            self.servicer.set(service, _SERVING if is_serving else _NOT_SERVING)
