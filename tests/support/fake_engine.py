"""An engine without a process, which is loaded when the test says so, and models that have one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.catalog import CatalogModel
from service.checkpoints.need import Budget
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import EngineConfig, EngineInfo
from service.engine_protocol.sampling_params import Priority
from service.errors import ModelNotReadyError
from service.models.load_policy import LoadPolicy
from service.models.loader import Loader
from service.models.loading import LoadableModel
from service.models.model import LoadedParts, Model
from tests.support.checkpoints import save_tiny_model
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

KV_CACHE_MIB = 10


class FakeEngine:
    """What a model sees of an engine.

    Attributes:
        gate: Passed by whoever loads; a test that clears it holds the loading there.
        failure: Why it can't be loaded; empty if it can.
        info: What it can do once it is loaded.
        device_bytes: What its device has free; None if that is not known.
        num_starts, has_started: How often it was started, and whether it was.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.config = EngineConfig(checkpoint, kv_cache_memory_mib=KV_CACHE_MIB)
        self.state, self.state_detail = EngineState.STOPPED, ""
        self.is_serving, self.engines_per_device = True, 1
        self.free_bytes: int | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure = ""
        self.info = EngineInfo(512, 1024, 1024, KV_CACHE_MIB << 20, "cpu", "float32")
        self.device_bytes: int | None = None
        self.num_starts = 0
        self.has_started = asyncio.Event()
        self._callbacks: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back when the engine has failed: of its other changes the model tells."""
        self._callbacks.append(callback)

    def fail(self) -> None:
        """Fails for good, as after too many deaths."""
        self.state, self.state_detail = EngineState.FAILED, "it died"
        for callback in self._callbacks:
            callback()

    async def start(self) -> None:
        """Begins to load."""
        self.num_starts += 1
        self.has_started.set()
        self.free_bytes = None
        self.state, self.state_detail = EngineState.LOADING, "loading: 1.0 of 2.0 GB"

    async def stop(self, reason: str = "") -> None:
        """Is gone at once."""
        self.state, self.state_detail = EngineState.STOPPED, reason

    async def wait_until_ready(self) -> EngineInfo:
        """Ends loading when the gate is open."""
        await self.gate.wait()
        if self.failure or self.device_bytes is not None:
            self.free_bytes = self.device_bytes
            raise ModelNotReadyError(self.failure or "the device is full")
        self.state, self.state_detail = EngineState.READY, ""
        return self.info


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def save_checkpoint(folder: Path) -> Path:
    """A tiny model with its tokenizer."""
    save_tiny_model(folder, vocab_size=512)
    save_tokenizer(folder, byte_level_tokenizer(512))
    return folder


def make_model(name: str, checkpoint: Path, *, loads_on_use: bool = True) -> LoadableModel:
    """A model with a fake engine."""
    limits: dict[str, Any] = {"max_prompt_tokens": 8, "max_completion_tokens": 8, "context_window": 8}
    defaults: dict[str, Any] = {"default_max_tokens": 8, "default_max_tokens_streamed": 8}
    entry = CatalogModel(id=name, description="", checkpoint=str(checkpoint), **limits, **defaults)
    engine: Any = FakeEngine(checkpoint)
    return LoadableModel(entry, engine, loads_on_use=loads_on_use)


def make_loader(*models: LoadableModel, budget_mib: int = 1000, clock: Clock | None = None, **policy: Any) -> Loader:
    """A loader of models, on use."""
    loader = Loader(LoadPolicy(**({"on_use": True} | policy)), Budget(["cpu"], budget_mib), clock or Clock())
    for model in models:
        loader.add(model)
    return loader


async def use(loader: Loader, model: LoadableModel, priority: Priority = Priority.ONLINE) -> LoadedParts:
    """Uses a model for a moment."""
    async with loader.using(model, priority) as parts:
        return parts


async def until(model: Model, state: EngineState, detail: str = "") -> None:
    """Waits until a model is in a state, and says so in some words."""
    changed = asyncio.Event()
    model.on_change(changed.set)
    async with asyncio.timeout(120):
        while model.state is not state or detail not in model.state_detail:
            changed.clear()
            await changed.wait()
