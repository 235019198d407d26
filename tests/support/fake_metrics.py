"""A page of metrics on a real socket: the service's, or one that no service has."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

PAGE = """
# HELP runstream_num_requests_running Requests that an engine is answering.
# TYPE runstream_num_requests_running gauge
runstream_num_requests_running{model="@runstream/demo"} 2.0
# TYPE runstream_kv_cache_usage_perc gauge
runstream_kv_cache_usage_perc{model="@runstream/demo"} 0.25
# TYPE runstream_generation_tokens_total counter
runstream_generation_tokens_total{model="@runstream/demo"} 40.0
# TYPE runstream_request_success_total counter
runstream_request_success_total{model="@runstream/demo",finished_reason="stop"} 3.0
runstream_request_success_total{model="@runstream/demo",finished_reason="length"} 1.0
# TYPE runstream_request_failure_total counter
runstream_request_failure_total{reason="QUEUE_FULL"} 5.0
# TYPE runstream_time_to_first_token_seconds histogram
runstream_time_to_first_token_seconds_bucket{model="@runstream/demo",le="0.1"} 1.0
runstream_time_to_first_token_seconds_bucket{model="@runstream/demo",le="+Inf"} 4.0
runstream_time_to_first_token_seconds_count{model="@runstream/demo"} 4.0
runstream_time_to_first_token_seconds_sum{model="@runstream/demo"} 1.5
# TYPE runstream_num_batch_items_waiting gauge
runstream_num_batch_items_waiting 7.0
# TYPE python_info gauge
python_info{version="3"} 1.0
"""


class FakeMetrics:
    """Answers with `page`.

    Attributes:
        page: What it answers.
        headers: Headers of the answer.
        status: The status of the answer.
        chunks: How often `page` comes.
        gate: Passed before the answer; a test that clears it holds it there.
        num_asked: How often it was asked.
        was_asked: Set when it was.
        was_left: Set when whoever asked left before the end.
        url: Where it is.
    """

    def __init__(self) -> None:
        self.page = PAGE.encode()
        self.headers: dict[str, str] = {}
        self.status = 200
        self.chunks = 1
        self.gate = asyncio.Event()
        self.gate.set()
        self.num_asked = 0
        self.was_asked = asyncio.Event()
        self.was_left = asyncio.Event()
        self.url = ""

    async def answer(self, http_request: web.Request) -> web.StreamResponse:
        """Answers."""
        self.num_asked += 1
        self.was_asked.set()
        response = web.StreamResponse(status=self.status, headers=self.headers)
        try:
            await self.gate.wait()
            await response.prepare(http_request)
            for _ in range(self.chunks):
                await response.write(self.page)
        except (ConnectionResetError, asyncio.CancelledError):
            self.was_left.set()
            raise
        return response


@asynccontextmanager
async def running_metrics() -> AsyncIterator[FakeMetrics]:
    """Serves one on a free port of loopback."""
    metrics = FakeMetrics()
    app = web.Application()
    app.router.add_get("/metrics", metrics.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    metrics.url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    try:
        yield metrics
    finally:
        metrics.gate.set()
        with contextlib.suppress(TimeoutError):
            await runner.cleanup()
