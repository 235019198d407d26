"""Health as gRPC defines it: SERVING only while an engine is there and makes progress."""

import asyncio
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from service.model import Model
from service.models import Models

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class _Servicer(health_aio.HealthServicer):  # type: ignore[misc]  # it has no types
    """The library's, with List, which it lacks."""

    def __init__(self) -> None:
        super().__init__()
        self._names = {""}

    async def set(self, service: str, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        """Sets the status of a service."""
        self._names.add(service)
        await super().set(service, status)

    async def List(self, request: health_pb2.HealthListRequest, context: Any) -> health_pb2.HealthListResponse:  # noqa: N802
        """Answers with the status of everything that has one."""
        checks = {name: health_pb2.HealthCheckRequest(service=name) for name in self._names}
        return health_pb2.HealthListResponse(
            statuses={name: await self.Check(check, context) for name, check in checks.items()}
        )


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

    async def follow(self) -> None:
        """Keeps the report true until cancelled."""
        while True:
            await self._has_changed.wait()
            self._has_changed.clear()
            await self._report()

    async def drain(self) -> None:
        """Reports NOT_SERVING from now on."""
        await self.servicer.enter_graceful_shutdown()

    async def _report(self) -> None:
        models = self._models.opened
        serving = dict.fromkeys(self._models.not_here, False)
        serving |= {model.entry.id: model.is_serving for model in models}
        serving |= dict.fromkeys(self._services, any(model.takes_requests for model in models))
        for service, is_serving in serving.items():
            await self.servicer.set(service, _SERVING if is_serving else _NOT_SERVING)
