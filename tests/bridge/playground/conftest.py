"""What these tests share: the fake service with a model as the pages expect it, and a page of metrics on a socket."""

from collections.abc import AsyncIterator

import pytest
from runstream.v1 import models_pb2

from tests.support.fake_metrics import FakeMetrics, running_metrics
from tests.support.fake_service import DEMO, FakeService


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
