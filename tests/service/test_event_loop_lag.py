"""How late the event loop is."""

import asyncio
import time

from service.event_loop_lag import EventLoopLag


async def test_a_late_event_loop_is_seen():
    lags: asyncio.Queue[float] = asyncio.Queue()
    lag = EventLoopLag(lags.put_nowait)
    blocked_until = time.perf_counter() + 0.3
    while time.perf_counter() < blocked_until:
        pass
    assert await lags.get() >= 0.15
    assert await lags.get() < 60
    lag.stop()
