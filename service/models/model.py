"""One model: what the catalog says of it, its engine, loaded or not, and who uses it."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from service.catalog import CatalogModel
from service.checkpoints.need import Need
from service.engine_client.handle import EngineHandle
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import EngineInfo
from service.engine_protocol.sampling_params import Priority
from service.errors import ModelNotReadyError
from service.prompts.tokenizer import Chat
from service.requests.sampling_params import Limits

_log = logging.getLogger(__name__)

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedParts:
    """What there is of a model once it is loaded.

    Attributes:
        chat: Turns requests into token ids and these into text.
        limits: The bounds of its requests.
    """

    chat: Chat
    limits: Limits


@dataclass(slots=True)
class Use:
    """Who uses a model now.

    Attributes:
        waiting: How many requests of each priority wait until it is loaded.
        num_loads: How many wait for it to be loaded without a request: the service's start, operators.
        running: How many it answers.
        last_s: When the last of them ended, on the loader's clock.
    """

    waiting: Counter[Priority] = field(default_factory=Counter)
    num_loads: int = 0
    running: Counter[Priority] = field(default_factory=Counter)
    last_s: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses it."""
        return not (self._is_waited_for or self.running.total())

    @property
    def gives_way(self) -> bool:
        """Whether nobody uses it but requests of batches, which lose nothing when they run once more."""
        return not (self._is_waited_for or self.running[Priority.ONLINE])

    @property
    def takes_room(self) -> bool:
        """Whether somebody waits for it for whom others are unloaded: not the items of batches."""
        return bool(self.num_loads or self.waiting[Priority.ONLINE])

    @property
    def _is_waited_for(self) -> bool:
        return bool(self.num_loads or self.waiting.total())


class Model:
    """A model with an engine, or several, of its own, which is started and ended again as the loader says.

    Args:
        entry: What the catalog says of it.
        engine: Its engine, not started yet.
        loads_on_use: Whether a request loads it when it is not.

    Attributes:
        entry, engine, loads_on_use: As given.
        use: Who uses it.
        need: What its engine takes, once somebody has asked.
        has_reserved: Whether that memory is its own.
    """

    def __init__(self, entry: CatalogModel, engine: EngineHandle, *, loads_on_use: bool = False) -> None:
        self.entry = entry
        self.engine = engine
        self.loads_on_use = loads_on_use
        self.use = Use()
        self.need = Need()
        self.has_reserved = False
        self._parts: LoadedParts | None = None
        self._shown: tuple[EngineState, str] | None = None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def state(self) -> EngineState:
        """The engine's state, except that a model without its tokenizer is still loading."""
        if self._shown is not None:
            return self._shown[0]
        is_half_loaded = self.engine.state is EngineState.READY and self._parts is None
        return EngineState.LOADING if is_half_loaded else self.engine.state

    @property
    def state_detail(self) -> str:
        """Why its state is what it is; while it is being loaded, how far that is."""
        detail = self.engine.state_detail
        is_loading = self.state is self.engine.state is EngineState.LOADING
        if self._shown is not None and not is_loading:
            detail = self._shown[1]
        if self.state is not EngineState.STOPPED:
            return detail
        how = "a request loads it" if self.loads_on_use else f"python -m service load {self.entry.id} loads it"
        return f"{detail.rstrip('.') or 'it was not loaded'}; {how}"

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was unloaded and stays so until somebody asks for it to be loaded."""
        return self.state is EngineState.STOPPED and not self.loads_on_use

    @property
    def is_loaded(self) -> bool:
        """Whether requests can be given to its engine."""
        return self.state is EngineState.READY

    @property
    def is_serving(self) -> bool:
        """Whether a request would be answered, now or as soon as it has loaded the model."""
        if self.state is EngineState.STOPPED:
            return self.loads_on_use
        return self.is_loaded and self.engine.is_serving

    @property
    def takes_requests(self) -> bool:
        """Whether it is serving, or is being loaded for a request that waits for it."""
        is_being_loaded = self._shown is not None and self.state is EngineState.LOADING
        return self.is_serving or (self.loads_on_use and is_being_loaded)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back, in the event loop, whenever `state` or `is_serving` may have changed."""
        self._callbacks.append(callback)
        self.engine.on_change(callback)

    def show(self, state: EngineState, detail: str) -> None:
        """Gives it another state than the engine's, until it is loaded or unloaded."""
        self._shown = (state, detail)
        self._tell()

    async def load(self) -> None:
        """Starts the engine, and loads tokenizer and chat template beside it.

        Raises:
            ModelNotReadyError: One of them can't be loaded; neither is kept.
        """
        if self.engine.state is EngineState.FAILED:
            await self.engine.stop()
        await self.engine.start()
        try:
            chat = await self._load_chat()
            info = await self.engine.wait_until_ready()
            self._parts = LoadedParts(chat, _limits(self.entry, info))
            self.need = replace(self.need, kv_cache_bytes=info.kv_cache_bytes)
        except BaseException:
            await self.engine.stop("it could not be loaded")
            raise
        self._shown = None
        self._tell()

    async def unload(self, reason: str) -> None:
        """Ends the engine; requests that are left end with ModelNotReadyError, which tells the reason."""
        try:
            await self.engine.stop(reason)
        finally:
            self._parts = None
            self._shown = None
            self.has_reserved = False
            self._tell()

    def loaded(self) -> LoadedParts:
        """What `load` has loaded.

        Raises:
            ModelNotReadyError: It has not ended yet.
        """
        if self._parts is None:
            raise ModelNotReadyError(f"{self.entry.id} is {self.state.value}: {self.state_detail}", model=self.entry.id)
        return self._parts

    async def _load_chat(self) -> Chat:
        try:
            return await asyncio.to_thread(
                Chat.load, self.engine.config.checkpoint, self.entry.tool_call_format, self.entry.chat_template
            )
        except (OSError, ValueError) as error:
            raise ModelNotReadyError(f"the tokenizer of {self.entry.id} can't be loaded: {error}") from error

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()


def _limits(entry: CatalogModel, info: EngineInfo) -> Limits:
    wanted = min(entry.context_window, info.max_position_embeddings)
    _log.info(
        "KV cache of %s on %s: %s tokens, %.1f requests of %s tokens at once",
        *(entry.id, info.device, f"{info.num_kv_tokens:,}", info.num_kv_tokens / wanted, f"{wanted:,}"),
    )
    if info.num_kv_tokens < wanted:
        enough_mib = math.ceil(info.kv_cache_bytes * wanted / info.num_kv_tokens / _MIB)
        _log.warning(
            "the KV cache of %s holds %d tokens, fewer than its context window of %d: "
            "--kv-cache-memory-mib %d is enough",
            *(entry.id, info.num_kv_tokens, wanted, enough_mib),
        )
    context_window = min(wanted, info.num_kv_tokens)
    return Limits(entry.max_prompt_tokens, entry.max_completion_tokens, context_window, info.vocab_size)
