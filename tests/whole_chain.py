"""The whole chain in one event loop: the real bridge on a real socket, the real service, a real engine process.

A plugin of pytest's, so that all tests share one chain.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.config import Config
from service.engine.block_pool import BLOCK_SIZE
from service.engine.messages import StepResult
from service.engine.process import EngineProcess
from tests.bridge.running_bridge import Answer, Bridge, running_bridge
from tests.service.running_service import MODEL, RunningService, config, run_service, write_catalog

POISON = "<poison>"
"""A token that the tokenizer has and the model does not: a step that computes it raises an exception."""

PATIENCE_S = 60.0
"""After how long a test that waits for the engine fails instead of waiting on."""


@dataclass
class WholeChain:
    """Bridge, service and engine.

    Attributes:
        bridge: The bridge and an HTTP client of it.
        service: The service and gRPC clients of it.
        steps: What the engine has reported, the newest last.
    """

    bridge: Bridge
    service: RunningService
    steps: deque[StepResult] = field(default_factory=lambda: deque(maxlen=100_000))

    def __post_init__(self) -> None:
        self.engine.on_change(self._take_note)

    @property
    def engine(self) -> EngineProcess:
        """The engine of the only model."""
        engine: EngineProcess = self.service.engine
        return engine

    @property
    def run_url(self) -> str:
        """Where the model is run over REST."""
        return f"{self.bridge.url}/client/v4/accounts/acc/ai/run/{MODEL}"

    async def ask(self, **body: Any) -> Answer:
        """Sends a request over REST and reads the whole answer."""
        return await self.bridge.run(body, MODEL)

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Waits until something holds; asked again after each message of the engine."""
        async with asyncio.timeout(PATIENCE_S):
            await self.engine.wait_for(predicate)

    async def until_dropped(self) -> None:
        """Waits until the service waits for no completion any more, though the engine may be silent."""
        async with asyncio.timeout(PATIENCE_S):
            while self.engine.num_running + self.engine.num_waiting:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)

    async def until_idle(self) -> None:
        """Waits until the engine has nothing to run, and looks whether all its blocks are free."""
        engine = self.engine
        await self.until(lambda: engine.is_serving and engine.num_running + engine.num_waiting == 0)
        await self.until(lambda: engine.stats.num_running + engine.stats.num_waiting == 0)
        assert engine.info is not None
        assert engine.stats.num_free_blocks * BLOCK_SIZE in (0, engine.info.num_kv_tokens), "blocks are left"

    def _take_note(self) -> None:
        if not self.steps or self.steps[-1] is not self.engine.stats:
            self.steps.append(self.engine.stats)


@dataclass(frozen=True)
class Streamed:
    """A stream of server-sent events that was read to its end.

    Attributes:
        texts: The text of each event that has some.
        usage: The token counts of the last event; None if it ended with an error.
        error: The code and the message that it ended with; None if it ended well.
    """

    texts: list[str]
    usage: dict[str, Any] | None
    error: tuple[int, str] | None


def read_events(body: bytes) -> Streamed:
    """Reads a stream; fails unless it has exactly one end and nothing after it."""
    *lines, rest = body.decode().split("\n\n")
    assert rest == ""
    is_done = lines[-1] == "data: [DONE]"
    last = json.loads(lines[-2 if is_done else -1].removeprefix("data: "))
    assert last["response"] == ""
    assert is_done or lines[-2] == "retry: 86400000"
    texts = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    assert all(text.keys() == {"response"} and text["response"] for text in texts)
    error = None if is_done else (last["errors"][0]["code"], last["errors"][0]["message"])
    return Streamed([text["response"] for text in texts], last["usage"] if is_done else None, error)


@contextlib.asynccontextmanager
async def run_whole_chain(catalog: Path, deadline_s: float = 120.0, **settings: Any) -> AsyncIterator[WholeChain]:
    """Starts a chain, and ends it whatever happened."""
    async with run_service(config(catalog, **settings)) as service:
        target = Config(service=f"127.0.0.1:{service.service.port}", deadline_s=deadline_s, shutdown_grace_s=0.0)
        async with running_bridge(target) as bridge:
            yield WholeChain(bridge, service)


@pytest.fixture(scope="session")
def chain_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a tiny model whose greedy completions go on for long."""
    # These import torch, which tests of the bridge need not wait for.
    from tests.checkpoints import save_tiny_model
    from tests.tokenizers import byte_level_tokenizer, save_tokenizer

    folder = tmp_path_factory.mktemp("whole_chain")
    tokenizer = byte_level_tokenizer(512)
    save_tiny_model(folder / "tiny", vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=32_768)
    tokenizer.add_special_tokens([POISON])
    save_tokenizer(folder / "tiny", tokenizer)
    return write_catalog(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_chain(chain_catalog: Path) -> AsyncIterator[WholeChain]:
    """A chain that 16 requests fill, where 4 more may wait."""
    async with run_whole_chain(chain_catalog) as chain:
        yield chain


@pytest_asyncio.fixture(loop_scope="session")
async def chain(shared_chain: WholeChain) -> AsyncIterator[WholeChain]:
    """The shared chain, idle before the test, and after it with all blocks free."""
    await shared_chain.until_idle()
    yield shared_chain
    await shared_chain.until_idle()
