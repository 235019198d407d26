"""What Prometheus reads. Names and meanings are vLLM's with `runstream_` in front: its dashboards carry over."""

import importlib.metadata
import itertools
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from service.engine_client.handle import EngineHandle
from service.engine_client.moments import Moments
from service.engine_client.request import EngineState
from service.engine_client.step_tokens import BOUNDS, StepTokens
from service.event_loop_lag import LAG_BOUNDS_S

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # else each has one more series, of when it began
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_TOKEN_SECONDS: Final = (0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5, 30)
_TOKENS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Watched:
    """A model whose figures are read whenever somebody asks.

    Attributes:
        engine: Its engine.
        state: Tells its state, as in `GetModel`.
        num_unloaded: Tells how many requests wait until it is loaded.
    """

    engine: EngineHandle
    state: Callable[[], EngineState]
    num_unloaded: Callable[[], int]


class _Models(Collector):
    """Reads the models' own counts."""

    def __init__(self) -> None:
        self.models: dict[str, Watched] = {}

    def collect(self) -> Iterator[Metric]:
        watched = [(model, one, one.engine) for model, one in list(self.models.items())]
        text = "Requests that an engine is answering."
        yield _gauge("num_requests_running", text, [((model,), engine.num_running) for model, _, engine in watched])
        text = "Requests that wait, for an engine or until their model is loaded."
        waiting = [((model,), engine.num_waiting + one.num_unloaded()) for model, one, engine in watched]
        yield _gauge("num_requests_waiting", text, waiting)
        text = 'The same by reason: "capacity" of the engine, or "loading" of the model.'
        reasons = [((model, "capacity"), engine.num_waiting) for model, _, engine in watched]
        reasons += [((model, "loading"), one.num_unloaded()) for model, one, _ in watched]
        yield _gauge("num_requests_waiting_by_reason", text, reasons, "reason")
        text = "Engines of a model that serve; one for each device."
        yield _gauge("num_engines_serving", text, [((model,), engine.num_serving) for model, _, engine in watched])
        text = "Share of the KV cache's blocks that requests hold; 1 is all of them."
        yield _gauge("kv_cache_usage_perc", text, [((model,), engine.kv_cache_usage) for model, _, engine in watched])
        text = "1 for the state in which a model is, 0 for the others."
        states = [
            ((model, state.value), float(one.state() is state)) for model, one, _ in watched for state in EngineState
        ]
        yield _gauge("model_state", text, states, "state")
        text = "Share of a model's weights that are loaded; 1 once it is ready."
        yield _gauge("model_load_progress", text, [((model,), engine.load_progress) for model, _, engine in watched])
        text = "Times that a request gave its blocks to another and waited again."
        yield _counter("num_preemptions", text, [((model,), engine.num_preemptions) for model, _, engine in watched])
        text = "Tokens that a step computes: those of prompts, and those sampled."
        yield _step_tokens("iteration_tokens_total", text, {model: engine.step_tokens for model, _, engine in watched})
        drafted = [((model,), engine.step_tokens.spec_decode) for model, _, engine in watched]
        text = "Drafts of several tokens that steps computed with a sequence's next one."
        yield _counter("spec_decode_num_drafts", text, [(key, it.num_drafts) for key, it in drafted])
        text = "Tokens of drafts."
        yield _counter("spec_decode_num_draft_tokens", text, [(key, it.num_draft_tokens) for key, it in drafted])
        text = "Tokens of drafts that came, and so took no step of their own."
        yield _counter("spec_decode_num_accepted_tokens", text, [(key, it.num_accepted_tokens) for key, it in drafted])
        text = "Times that an engine's process was started again after it had died."
        yield _counter("engine_restarts", text, [((model,), engine.num_restarts) for model, _, engine in watched])


_Values = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"runstream_{name}", text, labels=["model", *labels])
    for key, value in values:
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, values: _Values) -> Metric:
    family = CounterMetricFamily(f"runstream_{name}", text, labels=["model"])
    for key, value in values:
        family.add_metric(key, value)
    return family


def _step_tokens(name: str, text: str, steps: dict[str, StepTokens]) -> Metric:
    family = HistogramMetricFamily(f"runstream_{name}", text, labels=["model"])
    bounds = [*map(str, map(float, BOUNDS)), "+Inf"]
    for model, tokens in steps.items():
        buckets = list(zip(bounds, itertools.accumulate(tokens.counts), strict=True))
        family.add_metric([model], buckets, tokens.total)
    return family


class Metrics:
    """The service's metrics, in a registry of their own.

    Attributes:
        registry: What an exporter serves.
        event_loop_lag: Gets how late the event loop is, in seconds.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._watched = _Models()
        self.registry.register(self._watched)
        self._of_models: dict[str, ModelMetrics] = {}
        self._failures = Counter(
            "runstream_request_failure",
            "Calls that were refused or ended with an error, by the reason of the error.",
            ["reason"],
            registry=self.registry,
        )
        self._slow_readers = Counter(
            "runstream_slow_readers",
            "Streams that were ended since their client did not read.",
            registry=self.registry,
        )
        self._families = _Families(self.registry)
        self._batch_items = Counter(
            "runstream_batch_items",
            'Items of batches that got their result: "succeeded", or why they failed.',
            ["model", "outcome"],
            registry=self.registry,
        )
        self._batch_store_errors = Counter(
            "runstream_batch_store_errors",
            "Failures of the file of batches, by SQLite's name for them.",
            ["kind"],
            registry=self.registry,
        )
        self._num_batch_items_waiting = Gauge(
            "runstream_num_batch_items_waiting", "Items of batches without a result.", registry=self.registry
        )
        self.event_loop_lag = Histogram(
            "runstream_event_loop_lag_seconds",
            "How late the event loop runs what is due, looked at ten times a second.",
            buckets=LAG_BOUNDS_S,
            registry=self.registry,
        )

    def tell_build(self, devices: Iterable[str]) -> None:
        """Tells which versions run where."""
        build = {
            "version": importlib.metadata.version("runstream"),
            "python": platform.python_version(),
            "torch": importlib.metadata.version("torch"),
            "transformers": importlib.metadata.version("transformers"),
            "devices": ",".join(devices),
        }
        text = "1; the labels tell what runs where."
        Gauge("runstream_build_info", text, list(build), registry=self.registry).labels(**build).set(1)

    def of(self, model: str) -> "ModelMetrics":
        """What is counted of the requests that a model answers."""
        if model not in self._of_models:
            self._of_models[model] = ModelMetrics(self._families, model)
        return self._of_models[model]

    def watch(self, model: str, watched: Watched) -> None:
        """Reads a model's queue, KV cache, counts and health whenever somebody asks."""
        self._watched.models[model] = watched

    def watch_batches(self, num_waiting: Callable[[], int]) -> None:
        """Reads the number of items without a result whenever somebody asks."""
        self._num_batch_items_waiting.set_function(num_waiting)

    def count_batch_items(self, model: str, outcome: str, num_items: int = 1) -> None:
        """Counts items of a batch that got their result."""
        self._batch_items.labels(model, outcome).inc(num_items)

    def count_batch_store_error(self, kind: str) -> None:
        """Counts a failure of the file of batches."""
        self._batch_store_errors.labels(kind).inc()

    def count_slow_reader(self) -> None:
        """Counts a call that was ended since its client did not read."""
        self._slow_readers.inc()

    def count_failure(self, reason: str) -> None:
        """Counts a call that ended with an error of this `reason`."""
        self._failures.labels(reason).inc()


class _Families:
    """The metrics that are counted for each model while its requests are answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"runstream_{name}", text, ["model", *labels], registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(f"runstream_{name}", text, ["model"], buckets=buckets, registry=registry)

        self.prompt_tokens = counter("prompt_tokens", "Prompt tokens of requests that an engine took.")
        self.prefix_queries = counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.")
        self.prefix_hits = counter("prefix_cache_hits", "Prompt tokens found in the prefix cache.")
        self.generation_tokens = counter("generation_tokens", "Tokens generated.")
        self.successes = counter("request_success", "Completions that ended.", "finished_reason")
        self.first_token = histogram("time_to_first_token_seconds", "From the call to its first token.")
        self.latency = histogram("e2e_request_latency_seconds", "From the call to the end of its completion.")
        self.inter_token = histogram("inter_token_latency_seconds", "From a token to the next one.", _TOKEN_SECONDS)
        self.time_per_token = histogram(
            "request_time_per_output_token_seconds",
            "The decode time of a completion over its tokens but the first.",
            _TOKEN_SECONDS,
        )
        self.queue = histogram("request_queue_time_seconds", "From a request's submission to its first step.")
        self.prefill = histogram("request_prefill_time_seconds", "From a request's first step to its first token.")
        self.decode = histogram("request_decode_time_seconds", "From a request's first token to its last.")
        self.inference = histogram("request_inference_time_seconds", "From a request's first step to its last token.")
        self.prompt_lengths = histogram("request_prompt_tokens", "Tokens of a prompt.", _TOKENS)
        self.generation_lengths = histogram("request_generation_tokens", "Tokens of a completion.", _TOKENS)
        self.max_tokens = histogram("request_params_max_tokens", "The max_tokens of a request.", _TOKENS)


class ModelMetrics:
    """What is counted of the requests that one model answers; each metric is looked up once."""

    def __init__(self, families: _Families, model: str) -> None:
        self._model, self._families = model, families
        self._generation_tokens = families.generation_tokens.labels(model)
        self._inter_token = families.inter_token.labels(model)

    def observe_first_token(self, seconds: float, num_prompt_tokens: int, num_cached_tokens: int) -> None:
        """Takes the time from a call to its first token, and counts its prompt.

        Args:
            seconds: The time.
            num_prompt_tokens: How many tokens the prompt has.
            num_cached_tokens: How many of them came from the prefix cache.
        """
        families, model = self._families, self._model
        families.first_token.labels(model).observe(seconds)
        families.prompt_tokens.labels(model).inc(num_prompt_tokens)
        families.prefix_queries.labels(model).inc(num_prompt_tokens)
        families.prefix_hits.labels(model).inc(num_cached_tokens)

    def count_tokens(self, num_tokens: int) -> None:
        """Counts tokens of a completion."""
        self._generation_tokens.inc(num_tokens)

    def observe_tokens(self, num_tokens: int, seconds: float) -> None:
        """Takes the time in which tokens came that are not the first."""
        for _ in range(num_tokens):
            self._inter_token.observe(seconds / num_tokens)

    def observe_end(
        self, finished_reason: str, seconds: float, *, num_prompt_tokens: int, num_tokens: int, max_tokens: int
    ) -> None:
        """Takes a completion that has ended.

        Args:
            finished_reason: How it ended.
            seconds: The time from the call to its end.
            num_prompt_tokens, num_tokens: How many tokens its prompt and it have.
            max_tokens: How many it may have.
        """
        families, model = self._families, self._model
        families.successes.labels(model, finished_reason).inc()
        families.latency.labels(model).observe(seconds)
        families.prompt_lengths.labels(model).observe(num_prompt_tokens)
        families.generation_lengths.labels(model).observe(num_tokens)
        families.max_tokens.labels(model).observe(max_tokens)

    def observe_moments(self, moments: Moments, num_tokens: int) -> None:
        """Takes the times of a completion of so many tokens in the engine."""
        families, last_at = self._families, moments.last_token_at
        self._observe(families.queue, moments.submitted_at, moments.started_at)
        self._observe(families.prefill, moments.started_at, moments.first_token_at)
        self._observe(families.decode, moments.first_token_at, last_at)
        self._observe(families.inference, moments.started_at, last_at)
        if num_tokens > 1:
            self._observe(families.time_per_token, moments.first_token_at, last_at, num_tokens - 1)

    def _observe(self, family: Histogram, since: float | None, until: float | None, parts: int = 1) -> None:
        if since is not None and until is not None:
            family.labels(self._model).observe((until - since) / parts)
