"""Processes of engines that are started ahead of their config."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest_asyncio

from service.engine_client.child import ENGINE_COMMAND, Spawner, kill, messages_of
from service.engine_protocol.engine_config import EngineConfig

CONFIG = EngineConfig(Path("checkpoint"))
ECHO = ("cat",)  # sends back what it gets


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


@pytest_asyncio.fixture
async def spawner() -> AsyncIterator[Spawner]:
    spawner = Spawner(ECHO)
    yield spawner
    await spawner.end_unused()


async def test_the_first_config_goes_to_the_process_that_was_started_ahead(spawner: Spawner) -> None:
    before = children()
    await spawner.spawn_ahead()
    (ahead,) = children() - before
    first, second = await spawner.spawn(CONFIG), await spawner.spawn(CONFIG)
    assert first.pid == ahead != second.pid
    for process in (first, second):
        assert await anext(messages_of(process)) == CONFIG
        await kill(process)


async def test_a_process_that_got_no_config_is_ended_and_one_that_did_is_not(spawner: Spawner) -> None:
    before = children()
    await spawner.spawn_ahead()
    process = await spawner.spawn(CONFIG)
    await spawner.end_unused()
    assert process.returncode is None
    await kill(process)
    await spawner.spawn_ahead()
    await spawner.end_unused()
    assert children() == before


def test_an_engine_ends_quietly_if_the_service_ends_before_it_has_sent_a_config() -> None:
    ended = subprocess.run(ENGINE_COMMAND, stdin=subprocess.DEVNULL, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
