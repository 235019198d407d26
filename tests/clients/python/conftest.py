"""A service of the test's own for the Python client."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_service import FakeService, running


@pytest.fixture
async def fake() -> AsyncIterator[FakeService]:
    """A service that answers what the test tells it to."""
    fake = FakeService()
    async with running(fake):
        yield fake
