"""The models of a service: which there are, what they take, loading and unloading them."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from runstream.calls import CallSettings, call, call_async
from runstream.fields import filled
from runstream.v1 import models_pb2 as pb
from runstream.v1 import models_pb2_grpc as pb_grpc

ModelState = Literal["loading", "ready", "weights_missing", "failed", "unloaded", "unknown"]
"""Whether a model can answer; "unknown" is a state that is newer than this client."""

AnswerShape = Literal["native", "completion", "chat", "responses", "guard", "decision", "unknown"]
"""How Workers AI's own route answers for a model; calls of this client are answered alike for all."""

# Loading a model of 8 billion parameters from a slow disk takes minutes.
LOAD_TIMEOUT_S: Final = 1800.0

_STATES: Final[Mapping[int, ModelState]] = {
    pb.MODEL_STATE_LOADING: "loading",
    pb.MODEL_STATE_READY: "ready",
    pb.MODEL_STATE_WEIGHTS_MISSING: "weights_missing",
    pb.MODEL_STATE_FAILED: "failed",
    pb.MODEL_STATE_UNLOADED: "unloaded",
}

_ANSWER_SHAPES: Final[Mapping[int, AnswerShape]] = {
    pb.ANSWER_SHAPE_NATIVE: "native",
    pb.ANSWER_SHAPE_COMPLETION: "completion",
    pb.ANSWER_SHAPE_CHAT: "chat",
    pb.ANSWER_SHAPE_RESPONSES: "responses",
    pb.ANSWER_SHAPE_GUARD: "guard",
    pb.ANSWER_SHAPE_DECISION: "decision",
}


TrialOutcome = Literal["used", "slower", "wrong", "failed", "too_long", "untried", "unknown"]
"""What came of trying a way to compute."""

_OUTCOMES: Final[Mapping[int, TrialOutcome]] = {
    pb.TRIAL_OUTCOME_USED: "used",
    pb.TRIAL_OUTCOME_SLOWER: "slower",
    pb.TRIAL_OUTCOME_WRONG: "wrong",
    pb.TRIAL_OUTCOME_FAILED: "failed",
    pb.TRIAL_OUTCOME_TOO_LONG: "too_long",
    pb.TRIAL_OUTCOME_UNTRIED: "untried",
}


SpeculativeMethod = Literal["none", "ngram", "unspecified", "unknown"]
"""Where drafts of a model's next tokens come from; "unspecified" while it is not loaded."""

_METHODS: Final[Mapping[int, SpeculativeMethod]] = {
    pb.SPECULATIVE_METHOD_UNSPECIFIED: "unspecified",
    pb.SPECULATIVE_METHOD_NONE: "none",
    pb.SPECULATIVE_METHOD_NGRAM: "ngram",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """A way to compute that the service has tried on its machine.

    Attributes:
        what: What it does: "products", "threads", "activations", "accelerations", "prefill" or "kernels".
        way: Its name.
        outcome: What came of it.
        detail: Why, if there is more to say.
        times_us: How long a step takes in microseconds, by its number of rows; empty if it was not timed.
    """

    what: str
    way: str
    outcome: TrialOutcome
    detail: str = ""
    times_us: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the service's catalog.

    Attributes:
        id: What requests name.
        description: What it is, in a sentence.
        state: Whether it can answer now.
        state_detail: Why, if there is more to say.
        served_model: The model that answers requests for this one; empty if none does.
        max_prompt_tokens: The most tokens of a prompt.
        max_completion_tokens: The most tokens of a completion.
        context_window: The most tokens of both together.
        default_max_tokens: The `max_tokens` of requests that leave it unset.
        default_max_tokens_streamed: The same where a surface has a default of its own for streams.
        license: That of the weights; empty if the catalog does not tell.
        can_call_tools: Whether it was trained to call tools.
        answer_shape: How Workers AI's own route answers for it.
        default_temperature: The `temperature` of requests that leave it unset.
        properties: What Workers AI's catalog says of it, such as "reasoning" or "beta".
        retired: The day on which Cloudflare has retired it, as YYYY-MM-DD; empty if it has not.
        replaced_by: The model that answers in its place; empty if none does.
        parent: The model that it is a LoRA adapter of; empty if it is none.
        lora_adapters: The names of its adapters, for `lora`.
        trials: The ways to compute that were tried for it; empty while it is not loaded.
        speculative_method: Where drafts of its next tokens come from.
        speculative_detail: Why, if there is more to say.
    """

    id: str
    description: str
    state: ModelState
    state_detail: str
    served_model: str
    max_prompt_tokens: int
    max_completion_tokens: int
    context_window: int
    default_max_tokens: int
    default_max_tokens_streamed: int
    license: str
    can_call_tools: bool
    answer_shape: AnswerShape = "native"
    default_temperature: float = 0.6
    properties: tuple[str, ...] = ()
    retired: str = ""
    replaced_by: str = ""
    parent: str = ""
    lora_adapters: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    speculative_method: SpeculativeMethod = "unspecified"
    speculative_detail: str = ""


def _to_model(model: pb.Model) -> Model:
    plain = {each.name: getattr(model, each.name) for each in fields(Model)}
    told = {
        "state": _STATES.get(model.state, "unknown"),
        "answer_shape": _ANSWER_SHAPES.get(model.answer_shape, "unknown"),
        "properties": tuple(model.properties),
        "lora_adapters": tuple(model.lora_adapters),
        "trials": tuple(map(_to_trial, model.trials)),
        "speculative_method": _METHODS.get(model.speculative_method, "unknown"),
    }
    return Model(**{**plain, **told})


def _to_trial(trial: pb.Trial) -> Trial:
    times_us = {timed.num_rows: timed.time_us for timed in trial.times}
    return Trial(trial.what, trial.way, _OUTCOMES.get(trial.outcome, "unknown"), trial.detail, times_us)


class Models:
    """`client.models`. All calls raise `RunstreamError`s."""

    def __init__(self, stub: pb_grpc.ModelServiceStub, settings: CallSettings) -> None:
        self._stub = stub
        self._settings = settings

    def list(self, *, page_size: int = 0) -> Iterator[Model]:
        """Yields the models in the catalog's order, asking for `page_size` at once: 0 to 1,000, 0 for the most."""
        request = filled(pb.ListModelsRequest(), page_size=page_size)
        while True:
            page = call(self._stub.ListModels, request, self._settings)
            yield from map(_to_model, page.models)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def get(self, model: str) -> Model:
        """Tells about one model; raises `ModelNotFoundError` if the catalog does not name it."""
        return _to_model(call(self._stub.GetModel, filled(pb.GetModelRequest(), model=model), self._settings).model)

    def load(self, model: str, *, timeout_s: float = LOAD_TIMEOUT_S) -> Model:
        """Loads a model and waits for it; loading goes on where the wait ends before."""
        request = filled(pb.LoadModelRequest(), model=model)
        return _to_model(call(self._stub.LoadModel, request, self._settings.changed(timeout_s)).model)

    def unload(self, model: str, *, timeout_s: float | None = None) -> Model:
        """Unloads a model, once its requests have ended or had 30 seconds."""
        request = filled(pb.UnloadModelRequest(), model=model)
        return _to_model(call(self._stub.UnloadModel, request, self._settings.changed(timeout_s)).model)


class AsyncModels:
    """`client.models` of an `AsyncClient`. All calls raise `RunstreamError`s."""

    def __init__(self, stub: "pb_grpc.ModelServiceAsyncStub", settings: CallSettings) -> None:
        self._stub = stub
        self._settings = settings

    async def list(self, *, page_size: int = 0) -> AsyncIterator[Model]:
        """Yields the models in the catalog's order, asking for `page_size` at once: 0 to 1,000, 0 for the most."""
        request = filled(pb.ListModelsRequest(), page_size=page_size)
        while True:
            page = await call_async(self._stub.ListModels, request, self._settings)
            for model in page.models:
                yield _to_model(model)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get(self, model: str) -> Model:
        """Tells about one model; raises `ModelNotFoundError` if the catalog does not name it."""
        return _to_model(
            (await call_async(self._stub.GetModel, filled(pb.GetModelRequest(), model=model), self._settings)).model
        )

    async def load(self, model: str, *, timeout_s: float = LOAD_TIMEOUT_S) -> Model:
        """Loads a model and waits for it; loading goes on where the wait ends before."""
        request = filled(pb.LoadModelRequest(), model=model)
        return _to_model((await call_async(self._stub.LoadModel, request, self._settings.changed(timeout_s))).model)

    async def unload(self, model: str, *, timeout_s: float | None = None) -> Model:
        """Unloads a model, once its requests have ended or had 30 seconds."""
        request = filled(pb.UnloadModelRequest(), model=model)
        return _to_model((await call_async(self._stub.UnloadModel, request, self._settings.changed(timeout_s))).model)
