"""The model service as the bridge sees it: its calls, each with a deadline, each cancelled when nobody listens."""

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import grpc
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from runstream.v1 import batches_pb2, batches_pb2_grpc, models_pb2, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

from bridge.upstream.balancing import SESSION_HEADER
from bridge.upstream.channel import ServiceChannel
from bridge.upstream.reading import answer_of, parts_of
from bridge.upstream.rpc_errors import UNREACHABLE, from_rpc
from logs.clipping import clipped
from tracing.spans import current_span

logger = logging.getLogger(__name__)

Metadata = tuple[tuple[str, str], ...]
Told = dict[str, str]

HEALTH_TIMEOUT_S: Final = 2.0
ACCOUNT_HEADER: Final = "x-runstream-account"

# What a service answers that lets the bridge not act for others.
STRANGER: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

_GENERATION: Final = "runstream.v1.TextGenerationService"
_BATCHES: Final = "runstream.v1.BatchService"


class ServiceClient:
    """Calls the model service and raises its failures as `AiError`.

    Args:
        channel: The way to the service, which the caller opens and closes.
        deadline_s: The most seconds that a call may take.
        token: What the bridge shows as its bearer token; empty for none.
        by_session: The way to the one of several services that a session belongs to; None if there is one service.
    """

    def __init__(
        self, channel: ServiceChannel, deadline_s: float, token: str = "", by_session: ServiceChannel | None = None
    ) -> None:
        self._way = _Way(channel)
        self._by_session = _Way(by_session) if by_session else None
        self._deadline_s = deadline_s
        self._credentials: Metadata = (("authorization", f"Bearer {token}"),) if token else ()

    @property
    def _service(self) -> "_Stubs":
        """The stubs of whichever service."""
        return self._way.stubs

    def _service_of(self, caller: Metadata) -> "_Stubs":
        """The stubs for a caller: the service of its session, if it has one."""
        has_session = any(name == SESSION_HEADER for name, _ in caller)
        return self._by_session.stubs if self._by_session and has_session else self._way.stubs

    def _keeper(self, caller: Metadata) -> tuple["_Stubs", Metadata]:
        """The stubs for a caller's batches, and what is said there: of several services one keeps an account's."""
        if self._by_session is None:
            return self._way.stubs, caller
        told = tuple(entry for entry in caller if entry[0] != SESSION_HEADER)
        return self._by_session.stubs, (*told, (SESSION_HEADER, dict(caller).get(ACCOUNT_HEADER, "")))

    async def run(self, request: pb.RunRequest, caller: Metadata, told: Told | None = None) -> pb.RunResponse:
        """Asks for a whole answer.

        Args:
            request: What is asked.
            caller: The metadata that says for whom.
            told: Is filled with what the service tells of the token's limits.
        """
        with _rpc_errors(request.model, told), current_span().call(f"{_GENERATION}/Run") as span:
            metadata = self._credentials + caller + span.headers
            call = self._service_of(caller).text_generation.Run(request, timeout=self._deadline_s, metadata=metadata)
            answer = await answer_of(call)
            _note(told, await call.initial_metadata())
            return answer

    async def run_stream(
        self, request: pb.RunRequest, caller: Metadata, told: Told | None = None
    ) -> AsyncGenerator[pb.RunStreamResponse]:
        """Asks for an answer in parts. Closing the iterator cancels the call; gRPC does not by itself."""
        with _rpc_errors(request.model, told), current_span().call(f"{_GENERATION}/RunStream") as span:
            metadata = self._credentials + caller + span.headers
            service = self._service_of(caller).text_generation
            call = service.RunStream(request, timeout=self._deadline_s, metadata=metadata)
            is_first = True
            async with aclosing(parts_of(call)) as parts:
                async for part in parts:
                    if is_first:
                        _note(told, await call.initial_metadata())
                        is_first = False
                    yield part

    async def get_model(self, model_id: str) -> models_pb2.Model:
        """Asks what the service knows about a model."""
        request = models_pb2.GetModelRequest(model=model_id)
        call = self._service.models.GetModel(request, timeout=self._deadline_s, metadata=self._credentials)
        with _rpc_errors(model_id):
            return (await answer_of(call)).model

    async def list_models(self) -> list[models_pb2.Model]:
        """Asks which models the service knows, in its catalog's order."""
        models: list[models_pb2.Model] = []
        request = models_pb2.ListModelsRequest()
        while True:
            page = await self._list_models(request)
            models.extend(page.models)
            if not page.next_page_token:
                return models
            request.page_token = page.next_page_token

    async def _list_models(self, request: models_pb2.ListModelsRequest) -> models_pb2.ListModelsResponse:
        call = self._service.models.ListModels(request, timeout=self._deadline_s, metadata=self._credentials)
        with _rpc_errors(""):
            return await answer_of(call)

    async def create_batch(
        self, request: batches_pb2.CreateBatchRequest, caller: Metadata, told: Told | None = None
    ) -> batches_pb2.Batch:
        """Has a batch taken."""
        with _rpc_errors(request.model, told), current_span().call(f"{_BATCHES}/CreateBatch") as span:
            keeper, caller = self._keeper(caller)
            metadata = self._credentials + caller + span.headers
            call = keeper.batches.CreateBatch(request, timeout=self._deadline_s, metadata=metadata)
            batch = (await answer_of(call)).batch
            _note(told, await call.initial_metadata())
            return batch

    async def get_batch(self, request: batches_pb2.GetBatchRequest, caller: Metadata) -> batches_pb2.Batch:
        """Asks how far a batch is."""
        keeper, caller = self._keeper(caller)
        call = keeper.batches.GetBatch(request, timeout=self._deadline_s, metadata=self._credentials + caller)
        with _rpc_errors(""):
            return (await answer_of(call)).batch

    async def batch_results(
        self, request: batches_pb2.StreamBatchResultsRequest, model_id: str, caller: Metadata
    ) -> AsyncGenerator[batches_pb2.StreamBatchResultsResponse]:
        """Asks for the results of a batch."""
        keeper, caller = self._keeper(caller)
        call = keeper.batches.StreamBatchResults(request, timeout=self._deadline_s, metadata=self._credentials + caller)
        with _rpc_errors(model_id):
            async with aclosing(parts_of(call)) as pages:
                async for page in pages:
                    yield page

    async def unreadiness(self) -> str:
        """The reason why the service can't answer now; empty if it can."""
        call = self._service.health.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT_S)
        try:
            status = (await answer_of(call)).status
        except grpc.aio.AioRpcError as error:
            logger.warning("health check: %s%s", error.code().name, _shown(error))
            return UNREACHABLE
        if status == health_pb2.HealthCheckResponse.SERVING:
            return ""
        return f"The model service says {health_pb2.HealthCheckResponse.ServingStatus.Name(status)}."


class _Way:
    """The service's calls, over the channel of today's certificates."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._channel = channel
        self._stubs = _Stubs(channel.current())

    @property
    def stubs(self) -> "_Stubs":
        channel = self._channel.current()
        if channel is not self._stubs.channel:
            self._stubs = _Stubs(channel)
        return self._stubs


class _Stubs:
    """The service's calls over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.text_generation = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        self.models = models_pb2_grpc.ModelServiceStub(channel)
        self.batches = batches_pb2_grpc.BatchServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)


@contextmanager
def _rpc_errors(model_id: str, told: Told | None = None) -> Iterator[None]:
    """Turns what a call raises into an AiError."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        _note(told, error.trailing_metadata())
        translated = from_rpc(error, model_id)
        if translated.reason in ("INTERNAL", "MODEL_NOT_READY"):
            logger.error("the service failed: %s%s", error.code().name, _shown(error))
        raise translated from error


def _note(told: Told | None, metadata: Iterable[tuple[str, str | bytes]]) -> None:
    if told is not None:
        told.update({name: str(value) for name, value in metadata if name.startswith("x-ratelimit-")})


def _shown(error: grpc.aio.AioRpcError) -> str:
    """The reason that gRPC gives, or what to change; what a server says may quote the request."""
    if error.code() in STRANGER:
        return ": it takes this bridge for no trusted peer, see --service-token, or --tls-peers of the service"
    return f": {clipped(error.details() or '')!r}" if error.code() is grpc.StatusCode.UNAVAILABLE else ""


SERVICE = web.AppKey("service", ServiceClient)
