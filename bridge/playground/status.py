"""`GET /status/data`: what the operator's page shows, asked for as long as somebody looks at it."""

import time
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web
from prometheus_client import Metric
from prometheus_client.samples import Sample

from bridge.auth.account import visible_accounts
from bridge.http.json_text import json_response
from bridge.http.metrics import METRICS, Metrics
from bridge.http.told_requests import requests_of_all
from bridge.playground.metrics_page import histogram
from bridge.playground.service_status import SERVICE_STATUS

Json = dict[str, Any]

# What the pages themselves ask for would push everything else down.
OWN_ROUTES: Final = ("/status", "/playground")


async def tell_status(http_request: web.Request) -> web.Response:
    """Tells how service and bridge are doing, and which requests came last.

    Figures are of all accounts together, as in the metrics; of the requests a token sees those of its accounts.

    Raises:
        GatewayError: The request shows no good token, and one is needed.
    """
    accounts = visible_accounts(http_request)
    app = http_request.app
    service = await app[SERVICE_STATUS].get()
    requests = [asdict(request) for request in await requests_of_all(app, accounts)]
    return json_response(
        {"time": time.time(), **service, "bridge": bridge_figures(app[METRICS]), "recent_requests": requests}
    )


def bridge_figures(metrics: Metrics) -> Json:
    """The bridge's own figures.

    Returns:
        `requests`: `route`, `status` and `count`, most first. `streams_open`. `stream_errors`: the streams that failed
        in the middle, by code. `time_to_first_event_seconds`: as in `histogram`.
    """
    families = metrics.families()
    requests = [
        {"route": sample.labels["route"], "status": int(sample.labels["status"]), "count": sample.value}
        for sample in _totals(families, "runstream_bridge_requests")
        if not sample.labels["route"].startswith(OWN_ROUTES)
    ]
    first_events = families.get("runstream_bridge_time_to_first_event_seconds")
    streams_open = families.get("runstream_bridge_streams_open")
    return {
        "requests": sorted(requests, key=lambda row: -row["count"]),
        "streams_open": streams_open.samples[0].value if streams_open else 0,
        "stream_errors": {
            sample.labels["code"]: sample.value for sample in _totals(families, "runstream_bridge_stream_errors")
        },
        "time_to_first_event_seconds": histogram(first_events.samples if first_events else []),
    }


def _totals(families: dict[str, Metric], name: str) -> list[Sample]:
    """The counts of a counter; none if nothing was counted yet."""
    family = families.get(name)
    return [sample for sample in family.samples if sample.name.endswith("_total")] if family else []
