"""What Prometheus reads. Names and meanings are vLLM's with `runstream_` in front: its dashboards carry over."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from service.engine_client.handle import EngineHandle

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class _EngineCounts(Collector):
    """Reads the engines' own counts whenever somebody asks."""

    def __init__(self) -> None:
        self.engines: dict[str, EngineHandle] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        engines = list(self.engines.items())
        text = "Times that a request gave its blocks to another and waited again."
        yield _family("num_preemptions", text, {model: engine.num_preemptions for model, engine in engines})
        text = "Times that an engine's process was started again after it had died."
        yield _family("engine_restarts", text, {model: engine.num_restarts for model, engine in engines})


def _family(name: str, text: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"runstream_{name}", text, labels=["model"])
    for model, count in counts.items():
        family.add_metric([model], count)
    return family


class Metrics:
    """The service's metrics, in a registry of their own.

    Attributes:
        registry: What an exporter serves.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._num_running = self._gauge("num_requests_running", "Requests that an engine is answering.")
        self._num_waiting = self._gauge("num_requests_waiting", "Requests that wait for an engine.")
        self._num_serving = self._gauge("num_engines_serving", "Engines of a model that serve; one for each device.")
        self._kv_cache_usage = self._gauge(
            "kv_cache_usage_perc", "Share of the KV cache's blocks that requests hold; 1 is all of them."
        )
        self._prompt_tokens = self._counter("prompt_tokens", "Prompt tokens of requests that an engine took.")
        self._prefix_queries = self._counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.")
        self._prefix_hits = self._counter("prefix_cache_hits", "Prompt tokens found in the prefix cache.")
        self._generation_tokens = self._counter("generation_tokens", "Tokens generated.")
        self._successes = self._counter("request_success", "Completions that ended.", "finished_reason")
        self._failures = Counter(
            "runstream_request_failure", "Calls that ended with an error.", ["reason"], registry=self.registry
        )
        self._time_to_first_token = self._histogram("time_to_first_token_seconds", "From the call to its first token.")
        self._engine_counts = _EngineCounts()
        self.registry.register(self._engine_counts)
        self._latency = self._histogram("e2e_request_latency_seconds", "From the call to the end of its completion.")
        self._batch_items = self._counter(
            "batch_items", 'Items of batches that got their result: "succeeded", or why they failed.', "outcome"
        )
        self._num_batch_items_waiting = Gauge(
            "runstream_num_batch_items_waiting", "Items of batches without a result.", registry=self.registry
        )

    def watch(self, model: str, engine: EngineHandle) -> None:
        """Reads an engine's queue, KV cache, counts and health whenever somebody asks."""
        self._engine_counts.engines[model] = engine
        self._num_running.labels(model).set_function(lambda: engine.num_running)
        self._num_waiting.labels(model).set_function(lambda: engine.num_waiting)
        self._num_serving.labels(model).set_function(lambda: engine.num_serving)
        self._kv_cache_usage.labels(model).set_function(lambda: engine.kv_cache_usage)

    def watch_batches(self, num_waiting: Callable[[], int]) -> None:
        """Reads the number of items without a result whenever somebody asks."""
        self._num_batch_items_waiting.set_function(num_waiting)

    def count_batch_items(self, model: str, outcome: str, num_items: int = 1) -> None:
        """Counts items of a batch that got their result."""
        self._batch_items.labels(model, outcome).inc(num_items)

    def count_failure(self, reason: str) -> None:
        """Counts a call that ended with an error of this `reason`."""
        self._failures.labels(reason).inc()

    def count_prompt(self, model: str, num_tokens: int, num_cached_tokens: int) -> None:
        """Counts the prompt of a request that an engine took, and what of it came from the prefix cache."""
        self._prompt_tokens.labels(model).inc(num_tokens)
        self._prefix_queries.labels(model).inc(num_tokens)
        self._prefix_hits.labels(model).inc(num_cached_tokens)

    def count_tokens(self, model: str, num_tokens: int) -> None:
        """Counts tokens of a completion."""
        self._generation_tokens.labels(model).inc(num_tokens)

    def observe_first_token(self, model: str, seconds: float) -> None:
        """Takes the time from a call to its first token."""
        self._time_to_first_token.labels(model).observe(seconds)

    def observe_end(self, model: str, finished_reason: str, seconds: float) -> None:
        """Takes the time from a call to the end of its completion, and how that ended."""
        self._successes.labels(model, finished_reason).inc()
        self._latency.labels(model).observe(seconds)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"runstream_{name}", text, ["model"], registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"runstream_{name}", text, ["model", *labels], registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"runstream_{name}", text, ["model"], buckets=_SECONDS, registry=self.registry)
