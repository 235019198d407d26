"""What these tests share: the fake service with a model as pages expect it, its page of metrics, and a chat."""

from collections.abc import AsyncIterator

import pytest
from runstream.v1 import models_pb2

from tests.support.fake_metrics import FakeMetrics, running_metrics
from tests.support.fake_service import DEMO, FakeService
from tests.support.page import Page
from tests.support.running_bridge import Bridge


@pytest.fixture
def service(service: FakeService) -> FakeService:
    """The fake service, whose model is ready."""
    service.model = models_pb2.Model(
        id=DEMO,
        description="A toy.",
        state=models_pb2.MODEL_STATE_READY,
        served_model=DEMO,
        max_prompt_tokens=1024,
        max_completion_tokens=1000,
        context_window=1024,
        default_max_tokens=256,
        default_max_tokens_streamed=256,
    )
    return service


@pytest.fixture
async def metrics() -> AsyncIterator[FakeMetrics]:
    """The fake service's page of metrics."""
    async with running_metrics() as fake:
        yield fake


@pytest.fixture
async def chat(page: Page, bridge: Bridge, service: FakeService) -> Page:
    """The page, opened, with a model that answers."""
    await page.open(bridge.url)
    await page.until(".model-state", "Ready")
    await page.until(".fields", "temperature")
    return page
