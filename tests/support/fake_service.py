"""A model service on a real socket that answers what a test tells it to, and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from runstream.v1 import batches_pb2, batches_pb2_grpc, models_pb2, models_pb2_grpc, text_generation_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb

DEMO = "@runstream/demo"
USAGE = pb.Usage(prompt_tokens=7, completion_tokens=3, cached_prompt_tokens=2)
USAGE_JSON = b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}'


def part(text: str, **fields: Any) -> pb.RunStreamResponse:
    """A part of a stream of the demo model."""
    return pb.RunStreamResponse(**{"id": "fake", "served_model": DEMO, "text": text, **fields})


def last_part(text: str = "", **fields: Any) -> pb.RunStreamResponse:
    """The last part of a stream."""
    return part(text, **{"finish_reason": pb.FINISH_REASON_STOP, "usage": USAGE, **fields})


def failure(
    code: grpc.StatusCode,
    reason: str = "",
    message: str = "",
    retry_after_s: int = 0,
    domain: str = "runstream",
    field: str = "",
) -> status_pb2.Status:
    """A status such as the service sends, or without a reason, such as gRPC makes."""
    status = status_pb2.Status(code=code.value[0], message=message)
    if reason:
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after_s:
        retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after_s))
        status.details.add().Pack(retry)
    return status


class FakeService(
    text_generation_pb2_grpc.TextGenerationServiceServicer,
    models_pb2_grpc.ModelServiceServicer,
    batches_pb2_grpc.BatchServiceServicer,
):
    """Answers with `answer`, `parts`, `model` and `batch`, and after those with `status` if there is one.

    Attributes:
        told: Metadata of its answers and failures.
        model_status: What GetModel answers instead of `model`.
        refused_loras: LoRA adapters that are refused as for a model without any.
        failing: Statuses for the requests with some seeds, which get them once one with another seed has come.
        late_seeds: Seeds of requests whose streams begin once a part of another was sent.
        other_models: What ListModels lists after `model`.
        models_per_page: How many models ListModels lists at once.
        gate: Passed before each part but the first; a test that clears it holds the stream there.
        requests: The RunRequests that came.
        batch: How far every batch is.
        pages: Its results.
        new_batch: The last batch that was to be taken.
        sought: The last question for a batch.
        metadata: The metadata of the last call.
        model_questions: How often GetModel was called.
        cancelled: Set when a call is cancelled by its client.
        started: Set when a call has come.
        target: Where it listens.
    """

    def __init__(self) -> None:
        self.answer = pb.RunResponse(
            id="fake", served_model=DEMO, text="New York", finish_reason=pb.FINISH_REASON_STOP, usage=USAGE
        )
        self.parts = [part("New"), part(" York"), last_part()]
        self.model = models_pb2.Model(id=DEMO, served_model=DEMO, default_max_tokens_streamed=1800)
        self.other_models: list[models_pb2.Model] = []
        self.models_per_page = 1_000
        self.status: status_pb2.Status | None = None
        self.told: tuple[tuple[str, str], ...] = ()
        self.model_status: status_pb2.Status | None = None
        self.refused_loras = {"refused"}
        self.failing: dict[int, status_pb2.Status] = {}
        self._others_came = asyncio.Event()
        self.late_seeds: set[int] = set()
        self._others_began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[pb.RunRequest] = []
        self.batch = batches_pb2.Batch(id="batch-1", model=DEMO, state=batches_pb2.BATCH_STATE_QUEUED)
        self.pages: list[list[batches_pb2.BatchResult]] = []
        self.new_batch = batches_pb2.CreateBatchRequest()
        self.sought = batches_pb2.GetBatchRequest()
        self.metadata: dict[str, Any] = {}
        self.model_questions = 0
        self.cancelled = asyncio.Event()
        self.started = asyncio.Event()
        self.health = health.aio.HealthServicer()
        self.target = ""

    @property
    def request(self) -> pb.RunRequest:
        """The one request that came."""
        (request,) = self.requests
        return request

    async def Run(self, request, context):  # noqa: N802
        """Answers `answer` or `status`, once the gate is open."""
        with self._call(request, context):
            await self._fail_by_seed(request, context)
            await self.gate.wait()
            await self._fail(context, self.status)
            await context.send_initial_metadata(self.told)
            return self.answer

    async def RunStream(self, request, context):  # noqa: N802
        """Answers `parts`, then `status`."""
        with self._call(request, context):
            await self._fail_by_seed(request, context)
            if request.sampling_params.seed in self.late_seeds:
                await self._others_began.wait()
            if self.parts:
                await context.send_initial_metadata(self.told)
            for number, message in enumerate(self.parts):
                if number:
                    self._others_began.set()
                    await self.gate.wait()
                yield message
            await self._fail(context, self.status)

    async def CountTokens(self, request, context):  # noqa: N802
        """Counts none: the bridge does not ask for it."""
        return pb.CountTokensResponse(served_model=DEMO)

    async def GetModel(self, request, context):  # noqa: N802
        """Tells about `model`."""
        self.model_questions += 1
        await self._fail(context, self.model_status)
        return models_pb2.GetModelResponse(model=self.model)

    async def ListModels(self, request, context):  # noqa: N802
        """Lists `model` and `other_models`, in pages of `models_per_page`."""
        models = [self.model, *self.other_models]
        start = int(request.page_token or 0)
        end = start + self.models_per_page
        token = str(end) if end < len(models) else ""
        return models_pb2.ListModelsResponse(models=models[start:end], next_page_token=token)

    async def LoadModel(self, request, context):  # noqa: N802
        """Tells about `model`, which is loaded."""
        return models_pb2.LoadModelResponse(model=self.model)

    async def UnloadModel(self, request, context):  # noqa: N802
        """Tells about `model`, which stays loaded."""
        return models_pb2.UnloadModelResponse(model=self.model)

    async def CreateBatch(self, request, context):  # noqa: N802
        """Takes a batch, or answers `status`."""
        self.new_batch, self.metadata = request, dict(context.invocation_metadata())
        await self._fail(context, self.status)
        return batches_pb2.CreateBatchResponse(batch=self.batch)

    async def GetBatch(self, request, context):  # noqa: N802
        """Tells about `batch`, or answers `status`."""
        self.sought, self.metadata = request, dict(context.invocation_metadata())
        await self._fail(context, self.status)
        return batches_pb2.GetBatchResponse(batch=self.batch)

    async def ListBatches(self, request, context):  # noqa: N802
        """Lists `batch`: the bridge does not ask for it."""
        return batches_pb2.ListBatchesResponse(batches=[self.batch])

    async def CancelBatch(self, request, context):  # noqa: N802
        """Keeps everything: the bridge does not ask for it."""
        return batches_pb2.CancelBatchResponse(batch=self.batch)

    async def DeleteBatch(self, request, context):  # noqa: N802
        """Keeps everything: the bridge does not ask for it."""
        return batches_pb2.DeleteBatchResponse()

    async def StreamBatchResults(self, request, context):  # noqa: N802
        """Answers `pages`."""
        for page in self.pages:
            yield batches_pb2.StreamBatchResultsResponse(results=page)

    async def set_serving(self, is_serving: bool) -> None:
        """Says whether it is healthy."""
        status = health_pb2.HealthCheckResponse.SERVING if is_serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.health.set("", status)

    async def _fail_by_seed(self, request, context) -> None:
        if request.lora in self.refused_loras:
            message = f"The model {request.model} does not support LoRa inference"
            await self._fail(context, failure(grpc.StatusCode.INVALID_ARGUMENT, "LORA_UNSUPPORTED", message))
        status = self.failing.get(request.sampling_params.seed)
        if status is None:
            self._others_came.set()
        else:
            await self._others_came.wait()
            await self._fail(context, status)

    async def _fail(self, context, status: status_pb2.Status | None) -> None:
        if status is not None:
            made = rpc_status.to_status(status)
            await context.abort(made.code, made.details, (*made.trailing_metadata, *self.told))

    def _call(self, request, context):
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata())
        self.started.set()
        return _SeesCancel(self.cancelled)


class _SeesCancel:
    def __init__(self, cancelled: asyncio.Event) -> None:
        self._cancelled = cancelled

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if kind in (asyncio.CancelledError, GeneratorExit):
            self._cancelled.set()


@asynccontextmanager
async def running(
    service: FakeService,
    where: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
    options: tuple[tuple[str, int], ...] = (),
) -> AsyncIterator[grpc.aio.Server]:
    """Serves it on a free port of loopback, or at another address or Unix socket; with credentials, by TLS."""
    server = grpc.aio.server(options=options)
    text_generation_pb2_grpc.add_TextGenerationServiceServicer_to_server(service, server)
    models_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    batches_pb2_grpc.add_BatchServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(service.health, server)
    port = server.add_secure_port(where, credentials) if credentials else server.add_insecure_port(where)
    service.target = where if where.startswith("unix:") else f"{where.rpartition(':')[0]}:{port}"
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)


@asynccontextmanager
async def several_running(count: int) -> AsyncIterator[list[FakeService]]:
    """Services side by side, each on a free port of its own."""
    async with AsyncExitStack() as stack:
        fakes = [FakeService() for _ in range(count)]
        for fake in fakes:
            await stack.enter_async_context(running(fake))
        yield fakes
