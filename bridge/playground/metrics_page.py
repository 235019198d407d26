"""The page of metrics that the service writes for Prometheus: asked for within limits, and read."""

import math
import os
from typing import Any, Final

import aiohttp
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bridge.http.body import in_thread_if_long

TIMEOUT_S: Final = 2.0
MAX_BYTES: Final = 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024

PREFIX: Final = "runstream_"

# One number for each model.
BY_MODEL: Final = frozenset(
    {
        "num_requests_running",
        "num_requests_waiting",
        "num_engines_serving",
        "kv_cache_usage_perc",
        "num_preemptions_total",
        "engine_restarts_total",
        "prompt_tokens_total",
        "prefix_cache_queries_total",
        "prefix_cache_hits_total",
        "generation_tokens_total",
    }
)
HISTOGRAMS: Final = frozenset({"time_to_first_token_seconds", "e2e_request_latency_seconds"})

Json = dict[str, Any]


class MetricsError(Exception):
    """The page can't be had; the text says why, without its address."""


async def fetch_page(session: aiohttp.ClientSession, url: str) -> str:
    """Asks for the page.

    Raises:
        MetricsError: It does not come in time, is too large or none.
    """
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(TIMEOUT_S), allow_redirects=False) as response:
            if response.status != 200:
                raise MetricsError(f"HTTP status {response.status}")
            page = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                page += chunk
                if len(page) > MAX_BYTES:
                    raise MetricsError(f"more than {MAX_BYTES} bytes")
            return page.decode()
    except TimeoutError:
        raise MetricsError(f"no whole answer within {TIMEOUT_S:g} s") from None
    except aiohttp.ClientConnectorDNSError:
        raise MetricsError("its host is not known") from None
    except aiohttp.ClientConnectorError as error:
        raise MetricsError(os.strerror(error.os_error.errno) if error.os_error.errno else "no connection") from None
    except (aiohttp.ClientError, UnicodeDecodeError) as error:
        raise MetricsError(f"no page of metrics ({type(error).__name__})") from None


async def read_page(page: str) -> Json:
    """Reads the page; see `figures_of`.

    Raises:
        MetricsError: It is none of metrics.
    """
    try:
        return await in_thread_if_long(len(page), _read, page)
    except (ValueError, KeyError, IndexError, AttributeError, TypeError):  # the parser raises whatever it meets
        raise MetricsError("no page of metrics") from None


def _read(page: str) -> Json:
    return figures_of(list(text_string_to_metric_families(page)))


def figures_of(families: list[Metric]) -> Json:
    """The figures that are shown.

    Returns:
        `models`: for each model its figures by their names in `BY_MODEL` and `HISTOGRAMS`, these as in `histogram`, and
        in `request_success_total` the completions by their finish reason. `failures`: the calls that ended with an
        error, by its reason. `batch_items_waiting`: the items of batches without a result.
    """
    figures: Json = {"models": {}, "failures": {}, "batch_items_waiting": 0}
    for family in families:
        name = family.name.removeprefix(PREFIX)
        if name in HISTOGRAMS:
            for model, samples in _by_model(family).items():
                figures["models"].setdefault(model, {})[name] = histogram(samples)
        else:
            for sample in family.samples:
                _add(figures, sample.name.removeprefix(PREFIX), sample)
    return figures


def histogram(samples: list[Sample]) -> Json:
    """A histogram: `count`, `sum`, and `buckets` of upper bound (None for the last, which has none) and the count.

    What is no number is left out, as JSON has none for it.
    """
    samples = [sample for sample in samples if math.isfinite(sample.value) and sample.labels.get("le") != "NaN"]
    values = {sample.name.rpartition("_")[2]: sample.value for sample in samples if "le" not in sample.labels}
    bounds = [(float(sample.labels["le"]), sample.value) for sample in samples if "le" in sample.labels]
    buckets = [[bound if math.isfinite(bound) else None, count] for bound, count in sorted(bounds)]
    return {"count": values.get("count", 0), "sum": values.get("sum", 0), "buckets": buckets}


def _add(figures: Json, name: str, sample: Sample) -> None:
    """Takes a sample, if it is one of those that are shown and is a number."""
    if not math.isfinite(sample.value):
        return
    model = sample.labels.get("model", "")
    if name in BY_MODEL:
        figures["models"].setdefault(model, {})[name] = sample.value
    elif name == "request_success_total":
        ends = figures["models"].setdefault(model, {}).setdefault(name, {})
        ends[sample.labels.get("finished_reason", "")] = sample.value
    elif name == "request_failure_total":
        figures["failures"][sample.labels.get("reason", "")] = sample.value
    elif name == "num_batch_items_waiting":
        figures["batch_items_waiting"] = sample.value


def _by_model(family: Metric) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {}
    for sample in family.samples:
        samples.setdefault(sample.labels.get("model", ""), []).append(sample)
    return samples
