"""The handlers. Each has four beats: check, call, map the error, fill."""

import contextlib
import functools
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from runstream.v1 import models_pb2, models_pb2_grpc
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc as pb_grpc

from service.auth import BearerToken
from service.calls import Calls
from service.completion import join
from service.conversion import MODEL_STATES, check_request, to_model
from service.errors import ModelNotReadyError, WeightsMissingError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models import Models
from service.status import error_status

MODEL_HEADER = "x-runstream-model"
REQUEST_ID_HEADER = "x-runstream-request-id"

_DRAIN_S = 30.0

_Context = grpc.aio.ServicerContext[Any, Any]


class TextGenerationServicer(pb_grpc.TextGenerationServiceServicer):
    """Generates text. `Run` joins what `RunStream` would send, so that the two can't differ."""

    def __init__(self, generator: TextGenerator, calls: Calls, auth: BearerToken, metrics: Metrics) -> None:
        self._generator = generator
        self._calls = calls
        self._auth = auth
        self._metrics = metrics

    async def Run(self, request: pb.RunRequest, context: _Context) -> pb.RunResponse:  # noqa: N802
        """Answers with the whole completion."""
        parts: list[pb.RunStreamResponse] = []
        async with self._parts(request, context) as stream:
            parts = [part async for part in stream]
        return join(parts)

    # A coroutine that writes is cancelled where it stands; a generator that yields would only be finalized some time.
    async def RunStream(self, request: pb.RunRequest, context: _Context) -> None:  # type: ignore[override]  # noqa: N802
        """Answers with parts of the completion as they are generated."""
        async with self._parts(request, context) as stream:
            async for part in stream:
                await context.write(part)

    @contextlib.asynccontextmanager
    async def _parts(
        self, request: pb.RunRequest, context: _Context
    ) -> AsyncIterator[AsyncGenerator[pb.RunStreamResponse, None]]:
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            self._auth.check(context)
            check_request(request)
            generating = self._generator.generate(request, request_id, functools.partial(_tell_model, context))
            async with self._calls.admit(context), aclosing(generating) as stream:
                yield stream


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Tells about the models of the catalog, loads and unloads them."""

    def __init__(self, models: Models, auth: BearerToken, metrics: Metrics) -> None:
        self._models = models
        self._auth = auth
        self._metrics = metrics

    async def ListModels(  # noqa: N802
        self, request: models_pb2.ListModelsRequest, context: _Context
    ) -> models_pb2.ListModelsResponse:
        """Lists the models, in the catalog's order."""
        response = models_pb2.ListModelsResponse()
        async with error_status(context, str(uuid.uuid4()), self._metrics.count_failure):
            self._auth.check(context)
            response.models.extend(self._describe(model_id) for model_id in self._models.catalog)
        return response

    async def GetModel(  # noqa: N802
        self, request: models_pb2.GetModelRequest, context: _Context
    ) -> models_pb2.GetModelResponse:
        """Tells about one model."""
        response = models_pb2.GetModelResponse()
        async with error_status(context, str(uuid.uuid4()), self._metrics.count_failure):
            self._auth.check(context)
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def LoadModel(  # noqa: N802
        self, request: models_pb2.LoadModelRequest, context: _Context
    ) -> models_pb2.LoadModelResponse:
        """Loads a model and waits for that."""
        response = models_pb2.LoadModelResponse()
        async with error_status(context, str(uuid.uuid4()), self._metrics.count_failure):
            self._auth.check(context)
            await self._models.load(request.model)
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def UnloadModel(  # noqa: N802
        self, request: models_pb2.UnloadModelRequest, context: _Context
    ) -> models_pb2.UnloadModelResponse:
        """Unloads a model and waits for that."""
        response = models_pb2.UnloadModelResponse()
        async with error_status(context, str(uuid.uuid4()), self._metrics.count_failure):
            self._auth.check(context)
            await self._models.unload(request.model, _DRAIN_S)
            response.model.CopyFrom(self._describe(request.model))
        return response

    def _describe(self, model_id: str) -> models_pb2.Model:
        entry = self._models.entry(model_id)
        try:
            answering = self._models.answering(model_id)
        except WeightsMissingError as error:
            return to_model(entry, models_pb2.MODEL_STATE_WEIGHTS_MISSING, error.message)
        except ModelNotReadyError as error:
            return to_model(entry, models_pb2.MODEL_STATE_UNLOADED, error.message)
        model = answering.model
        served_model = "" if model.is_withdrawn else model.entry.id
        return to_model(entry, MODEL_STATES[model.state], model.state_detail, served_model)


async def _tell_model(context: _Context, served_model: str) -> None:
    await context.send_initial_metadata(((MODEL_HEADER, served_model),))


def request_id_of(context: _Context) -> str:
    """The id that the caller has given the request, so that its log and this one tell of the same; or a fresh one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_HEADER:
            with contextlib.suppress(ValueError):
                return str(uuid.UUID(str(value)))
    return str(uuid.uuid4())
