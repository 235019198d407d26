"""A service of the test's own for the Python client."""

from collections.abc import AsyncIterator

import pytest
from runstream.v1 import models_pb2

from tests.support.fake_service import FakeService, running


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service that answers what the test tells it to; its model is ready, as the real one says."""
    fake = FakeService()
    fake.model.state = models_pb2.MODEL_STATE_READY
    async with running(fake):
        yield fake
