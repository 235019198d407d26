"""`GET /status/data`: what the operator's page shows, asked for as long as somebody looks at it."""

import time
from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from bridge.auth.account import visible_accounts
from bridge.http.json_text import json_response
from bridge.http.metrics import METRICS, Metrics
from bridge.http.recent_requests import RECENT_REQUESTS
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
    requests = [asdict(request) for request in app[RECENT_REQUESTS].of(accounts)]
    return json_response(
        {"time": time.time(), **service, "bridge": bridge_figures(app[METRICS]), "recent_requests": requests}
    )


def bridge_figures(metrics: Metrics) -> Json:
    """The bridge's own figures.

    Returns:
        `requests`: `route`, `status` and `count`, most first. `streams_open`. `stream_errors`: the streams that failed
        in the middle, by code. `time_to_first_event_seconds`: as in `histogram`.
    """
    requests = [
        {"route": sample.labels["route"], "status": int(sample.labels["status"]), "count": sample.value}
        for family in metrics.requests.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and not sample.labels["route"].startswith(OWN_ROUTES)
    ]
    (first_events,) = metrics.time_to_first_event.collect()
    (streams_open,) = metrics.streams_open.collect()
    return {
        "requests": sorted(requests, key=lambda row: -row["count"]),
        "streams_open": streams_open.samples[0].value,
        "stream_errors": {
            sample.labels["code"]: sample.value
            for family in metrics.stream_errors.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        },
        "time_to_first_event_seconds": histogram(first_events.samples),
    }
