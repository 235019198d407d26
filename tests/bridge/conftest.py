"""The fake service and the real bridge, both on real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from accounts.known_tokens import Tokens
from accounts.tokens import Token
from bridge.config import Config
from tests.support.fake_service import FakeService, running
from tests.support.running_bridge import Bridge, running_bridge


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    """The fake service."""
    fake = FakeService()
    async with running(fake):
        yield fake


@pytest.fixture
async def start_bridge(service: FakeService) -> AsyncIterator[Any]:
    """Starts bridges to the fake service with the settings that a test wants."""
    async with AsyncExitStack() as stack:

        async def start(tokens: tuple[Token, ...] | Tokens = (), **settings: Any) -> Bridge:
            config = Config(**{"service": service.target, "shutdown_grace_s": 0.0, **settings})
            return await stack.enter_async_context(running_bridge(config, tokens))

        yield start


@pytest.fixture
async def bridge(start_bridge: Callable[..., Awaitable[Bridge]]) -> Bridge:
    """A bridge to the fake service with the default settings."""
    return await start_bridge()
