"""The handlers. Each has four beats: check, call, map the error, fill."""

import contextlib
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
from service.errors import InvalidRequestError, ModelNotReadyError, WeightsMissingError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models import Models
from service.request_id import request_id_of, tell_request_id
from service.status import error_status

MODEL_HEADER = "x-runstream-model"

_DRAIN_S = 30.0
_MAX_PAGE_SIZE = 1_000

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
        response = pb.RunResponse()
        async with self._parts(request, context) as (request_id, stream):
            response = join([part async for part in stream])
            await tell_request_id(context, request_id, (MODEL_HEADER, response.served_model))
        return response

    # A coroutine that writes is cancelled where it stands; a generator that yields would only be finalized some time.
    async def RunStream(self, request: pb.RunRequest, context: _Context) -> None:  # type: ignore[override]  # noqa: N802
        """Answers with parts of the completion as they are generated."""
        async with self._parts(request, context) as (request_id, stream):
            is_first = True
            async for part in stream:
                if is_first:
                    await tell_request_id(context, request_id, (MODEL_HEADER, part.served_model))
                    is_first = False
                await context.write(part)

    async def CountTokens(  # noqa: N802
        self, request: pb.CountTokensRequest, context: _Context
    ) -> pb.CountTokensResponse:
        """Counts the tokens of a prompt."""
        response = pb.CountTokensResponse()
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            self._auth.check(context)
            async with self._calls.admit(context):
                response = await self._generator.count_tokens(request.request)
                await tell_request_id(context, request_id)
        return response

    @contextlib.asynccontextmanager
    async def _parts(
        self, request: pb.RunRequest, context: _Context
    ) -> AsyncIterator[tuple[str, AsyncGenerator[pb.RunStreamResponse, None]]]:
        """Holds a call while it is answered, and gives its request's id and the parts of the completion."""
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            self._auth.check(context)
            check_request(request)
            generating = self._generator.generate(request, request_id)
            async with self._calls.admit(context), aclosing(generating) as stream:
                yield request_id, stream


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Tells about the models of the catalog, loads and unloads them."""

    def __init__(self, models: Models, auth: BearerToken, metrics: Metrics) -> None:
        self._models = models
        self._auth = auth
        self._metrics = metrics

    async def ListModels(  # noqa: N802
        self, request: models_pb2.ListModelsRequest, context: _Context
    ) -> models_pb2.ListModelsResponse:
        """Lists the models, in the catalog's order, a page of them."""
        response = models_pb2.ListModelsResponse()
        async with self._answering(context):
            page, response.next_page_token = _page(list(self._models.catalog), request)
            response.models.extend(map(self._describe, page))
        return response

    async def GetModel(  # noqa: N802
        self, request: models_pb2.GetModelRequest, context: _Context
    ) -> models_pb2.GetModelResponse:
        """Tells about one model."""
        response = models_pb2.GetModelResponse()
        async with self._answering(context):
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def LoadModel(  # noqa: N802
        self, request: models_pb2.LoadModelRequest, context: _Context
    ) -> models_pb2.LoadModelResponse:
        """Loads a model and waits for that."""
        response = models_pb2.LoadModelResponse()
        async with self._answering(context):
            await self._models.load(request.model)
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def UnloadModel(  # noqa: N802
        self, request: models_pb2.UnloadModelRequest, context: _Context
    ) -> models_pb2.UnloadModelResponse:
        """Unloads a model and waits for that."""
        response = models_pb2.UnloadModelResponse()
        async with self._answering(context):
            await self._models.unload(request.model, _DRAIN_S)
            response.model.CopyFrom(self._describe(request.model))
        return response

    @contextlib.asynccontextmanager
    async def _answering(self, context: _Context) -> AsyncIterator[None]:
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            self._auth.check(context)
            yield
            await tell_request_id(context, request_id)

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


def _page(ids: list[str], request: models_pb2.ListModelsRequest) -> tuple[list[str], str]:
    """The ids on a page, and the token of the next one: the last id on this one, or nothing if that is the last."""
    if request.page_size < 0:
        raise InvalidRequestError(f"page_size is {request.page_size}; it must be 0 or more", "page_size")
    if request.page_token and request.page_token not in ids:
        raise InvalidRequestError("page_token is none that an answer's next_page_token gave", "page_token")
    start = ids.index(request.page_token) + 1 if request.page_token else 0
    end = start + min(request.page_size or _MAX_PAGE_SIZE, _MAX_PAGE_SIZE)
    return ids[start:end], ids[end - 1] if end < len(ids) else ""
