"""The handlers of models."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from runstream.v1 import models_pb2, models_pb2_grpc

from service.catalog import CatalogModel
from service.engine_client.request import EngineState
from service.engine_protocol.choices import TrialOutcome, Tried
from service.engine_protocol.speculative import Speculative
from service.errors import InvalidRequestError, ModelNotReadyError, WeightsMissingError
from service.metrics import Metrics
from service.models.models import Models
from service.rpc.auth import Caller, Callers
from service.rpc.calls import ServicerContext
from service.rpc.request_id import request_id_of, tell_request_id
from service.rpc.status import error_status

MODEL_STATES = {
    EngineState.LOADING: models_pb2.MODEL_STATE_LOADING,
    EngineState.READY: models_pb2.MODEL_STATE_READY,
    EngineState.FAILED: models_pb2.MODEL_STATE_FAILED,
    EngineState.STOPPED: models_pb2.MODEL_STATE_UNLOADED,
}

ANSWER_SHAPES = {
    "native": models_pb2.ANSWER_SHAPE_NATIVE,
    "completion": models_pb2.ANSWER_SHAPE_COMPLETION,
    "chat": models_pb2.ANSWER_SHAPE_CHAT,
    "responses": models_pb2.ANSWER_SHAPE_RESPONSES,
    "guard": models_pb2.ANSWER_SHAPE_GUARD,
    "decision": models_pb2.ANSWER_SHAPE_DECISION,
}

TRIAL_OUTCOMES = {
    TrialOutcome.USED: models_pb2.TRIAL_OUTCOME_USED,
    TrialOutcome.SLOWER: models_pb2.TRIAL_OUTCOME_SLOWER,
    TrialOutcome.WRONG: models_pb2.TRIAL_OUTCOME_WRONG,
    TrialOutcome.FAILED: models_pb2.TRIAL_OUTCOME_FAILED,
    TrialOutcome.TOO_LONG: models_pb2.TRIAL_OUTCOME_TOO_LONG,
    TrialOutcome.UNTRIED: models_pb2.TRIAL_OUTCOME_UNTRIED,
}

SPECULATIVE_METHODS = {
    Speculative.NONE: models_pb2.SPECULATIVE_METHOD_NONE,
    Speculative.NGRAM: models_pb2.SPECULATIVE_METHOD_NGRAM,
}

_DRAIN_S = 30.0

_MAX_PAGE_SIZE = 1_000


def to_model(
    entry: CatalogModel,
    state: "models_pb2.ModelState.ValueType",
    state_detail: str,
    served_model: str = "",
    adapters: Sequence[str] = (),
) -> models_pb2.Model:
    """Describes a model of the catalog."""
    return models_pb2.Model(
        id=entry.id,
        description=entry.description,
        state=state,
        state_detail=state_detail,
        served_model=served_model,
        max_prompt_tokens=entry.max_prompt_tokens,
        max_completion_tokens=entry.max_completion_tokens,
        context_window=entry.context_window,
        default_max_tokens=entry.default_max_tokens,
        default_max_tokens_streamed=entry.default_max_tokens_streamed,
        license=entry.license,
        can_call_tools=bool(entry.tool_call_format),
        answer_shape=ANSWER_SHAPES[entry.answer_shape],
        default_temperature=entry.default_temperature,
        properties=entry.properties,
        retired=entry.retired,
        replaced_by=entry.replaced_by,
        parent=entry.parent,
        lora_adapters=adapters,
    )


def to_trial(tried: Tried) -> models_pb2.Trial:
    """Describes a way to compute that was tried."""
    times = [models_pb2.TimedRows(num_rows=rows, time_us=time_us) for rows, time_us in tried.times_us]
    outcome = TRIAL_OUTCOMES[tried.outcome]
    return models_pb2.Trial(what=tried.what, way=tried.way, outcome=outcome, detail=tried.detail, times=times)


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Tells about the models of the catalog, loads and unloads them."""

    def __init__(self, models: Models, callers: Callers, metrics: Metrics) -> None:
        self._models = models
        self._callers = callers
        self._metrics = metrics

    async def ListModels(  # noqa: N802
        self, request: models_pb2.ListModelsRequest, context: ServicerContext
    ) -> models_pb2.ListModelsResponse:
        """Lists the models, in the catalog's order, a page of them."""
        response = models_pb2.ListModelsResponse()
        async with self._answering(context):
            page, response.next_page_token = _page(list(self._models.catalog), request)
            response.models.extend(map(self._describe, page))
        return response

    async def GetModel(  # noqa: N802
        self, request: models_pb2.GetModelRequest, context: ServicerContext
    ) -> models_pb2.GetModelResponse:
        """Tells about one model."""
        response = models_pb2.GetModelResponse()
        async with self._answering(context):
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def LoadModel(  # noqa: N802
        self, request: models_pb2.LoadModelRequest, context: ServicerContext
    ) -> models_pb2.LoadModelResponse:
        """Loads a model and waits for that."""
        response = models_pb2.LoadModelResponse()
        async with self._answering(context) as caller:
            caller.check_is_peer()
            await self._models.load(request.model)
            response.model.CopyFrom(self._describe(request.model))
        return response

    async def UnloadModel(  # noqa: N802
        self, request: models_pb2.UnloadModelRequest, context: ServicerContext
    ) -> models_pb2.UnloadModelResponse:
        """Unloads a model and waits for that."""
        response = models_pb2.UnloadModelResponse()
        async with self._answering(context) as caller:
            caller.check_is_peer()
            await self._models.unload(request.model, _DRAIN_S)
            response.model.CopyFrom(self._describe(request.model))
        return response

    @contextlib.asynccontextmanager
    async def _answering(self, context: ServicerContext) -> AsyncIterator[Caller]:
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            yield self._callers.identify(context)
            await tell_request_id(context, request_id)

    def _describe(self, model_id: str) -> models_pb2.Model:
        entry, adapters = self._models.entry(model_id), self._models.adapters_of(model_id)
        try:
            answering = self._models.answering(model_id)
        except WeightsMissingError as error:
            return to_model(entry, models_pb2.MODEL_STATE_WEIGHTS_MISSING, error.message, "", adapters)
        except ModelNotReadyError as error:
            return to_model(entry, models_pb2.MODEL_STATE_UNLOADED, error.message, "", adapters)
        model = answering.model
        served_model = "" if model.is_withdrawn else answering.served_model
        described = to_model(entry, MODEL_STATES[model.state], model.state_detail, served_model, adapters)
        if not answering.stands_in:
            described.can_call_tools = model.can_call_tools
            described.trials.extend(map(to_trial, model.tried))
            if (speculation := model.speculation) is not None:
                described.speculative_method = SPECULATIVE_METHODS[speculation.method]
                described.speculative_detail = speculation.detail
        return described


def _page(ids: list[str], request: models_pb2.ListModelsRequest) -> tuple[list[str], str]:
    """The ids on a page, and the token of the next one: the last id on this one, or nothing if that is the last."""
    if request.page_size < 0:
        raise InvalidRequestError(f"page_size is {request.page_size}; it must be 0 or more", "page_size")
    if request.page_token and request.page_token not in ids:
        raise InvalidRequestError("page_token is none that an answer's next_page_token gave", "page_token")
    start = ids.index(request.page_token) + 1 if request.page_token else 0
    end = start + min(request.page_size or _MAX_PAGE_SIZE, _MAX_PAGE_SIZE)
    return ids[start:end], ids[end - 1] if end < len(ids) else ""
