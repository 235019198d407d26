"""Asks the service about itself: its models, and the figures of its engines."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
from aiohttp import web

from bridge.config import CONFIG
from bridge.errors import AiError
from bridge.playground.metrics_page import MetricsError, fetch_page, read_page
from bridge.playground.models import to_entry
from bridge.playground.shared_reading import SharedReading
from bridge.upstream.client import SERVICE, ServiceClient

Json = dict[str, Any]

MODELS_TIMEOUT_S: Final = 2.0

NOT_CONFIGURED: Final = (
    "The bridge does not know where the service's metrics are: start it with --service-metrics "
    "http://127.0.0.1:9464/metrics or set RUNSTREAM_BRIDGE_SERVICE_METRICS."
)


class ServiceStatus:
    """Asks the service, once for all who want to know at the same time.

    Args:
        service: The service's calls.
        session: What its page of metrics is asked for with.
        metrics_url: Where that is; empty for nowhere.
    """

    def __init__(self, service: ServiceClient, session: aiohttp.ClientSession, metrics_url: str) -> None:
        self._service = service
        self._session = session
        self._metrics_url = metrics_url
        self._reading = SharedReading(self._read)

    async def get(self) -> Json:
        """The models and the figures, each with what kept it from being told.

        Returns:
            `models`: the fields `entries` and `problem`. `metrics`: the fields `is_configured`, `problem` and
            `figures`, these as in `figures_of`, or None.
        """
        return await self._reading.get()

    async def close(self) -> None:
        """Ends what is being asked."""
        await self._reading.close()

    async def _read(self) -> Json:
        models, metrics = await asyncio.gather(self._models(), self._metrics())
        return {"models": models, "metrics": metrics}

    async def _models(self) -> Json:
        try:
            async with asyncio.timeout(MODELS_TIMEOUT_S):
                models = await self._service.list_models()
        except TimeoutError:
            return {"entries": [], "problem": f"The model service did not answer within {MODELS_TIMEOUT_S:g} s."}
        except AiError as error:
            return {"entries": [], "problem": error.description}
        return {"entries": [to_entry(model) for model in models], "problem": ""}

    async def _metrics(self) -> Json:
        if not self._metrics_url:
            return {"is_configured": False, "problem": NOT_CONFIGURED, "figures": None}
        try:
            figures = await read_page(await fetch_page(self._session, self._metrics_url))
        except MetricsError as error:
            problem = f"The service's metrics (--service-metrics) can't be read: {error}."
            return {"is_configured": True, "problem": problem, "figures": None}
        return {"is_configured": True, "problem": "", "figures": figures}


async def watch_service(app: web.Application) -> AsyncIterator[None]:
    """Lets the service be asked for as long as the application lives; for `app.cleanup_ctx`, after SERVICE is there."""
    # Sizes are counted as they come: nothing is unpacked, and no cookie is kept.
    session = aiohttp.ClientSession(
        auto_decompress=False, headers={"Accept-Encoding": "identity"}, cookie_jar=aiohttp.DummyCookieJar()
    )
    async with session:
        app[SERVICE_STATUS] = ServiceStatus(app[SERVICE], session, app[CONFIG].service_metrics)
        yield
        await app[SERVICE_STATUS].close()


SERVICE_STATUS = web.AppKey("service_status", ServiceStatus)
