"""What these tests share: a page of metrics on a real socket."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_metrics import FakeMetrics, running_metrics


@pytest.fixture
async def metrics() -> AsyncIterator[FakeMetrics]:
    """The fake service's page of metrics."""
    async with running_metrics() as fake:
        yield fake
