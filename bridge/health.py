"""Whether the bridge lives, and whether it can answer."""

from aiohttp import web

from bridge.http.json_text import json_response
from bridge.http.metrics import METRICS
from bridge.upstream.client import SERVICE


async def healthz(http_request: web.Request) -> web.Response:
    """Says that the process lives."""
    return json_response({"status": "ok"})


async def readyz(http_request: web.Request) -> web.Response:
    """Says whether the service behind the bridge can answer, and if not, why."""
    reason = await http_request.app[SERVICE].unreadiness()
    if reason:
        return json_response({"status": "not ready", "reason": reason}, status=503)
    return json_response({"status": "ready"})


async def metrics(http_request: web.Request) -> web.Response:
    """Tells the metrics."""
    return http_request.app[METRICS].exposition()
