"""A model as its loader sees it: the steps between the states on its way into memory and out of it."""

import asyncio
import logging
import math
from dataclasses import replace

from service.catalog import CatalogModel
from service.checkpoints.need import Need, read_need
from service.engine_client.handle import EngineHandle
from service.engine_client.request import EngineState
from service.engine_protocol.engine_config import EngineInfo
from service.errors import ModelNotReadyError
from service.models.load_state import LoadState
from service.models.model import LoadedParts, Model
from service.models.use import Use
from service.prompts.tokenizer import Chat
from service.requests.sampling_params import Limits

_log = logging.getLogger(__name__)

_MIB = 1 << 20


class LoadableModel(Model):
    """A model that is loaded and unloaded, as the loader says.

    Args:
        entry, engine, loads_on_use: See `Model`.

    Attributes:
        use: Who uses it.
        need: What its engine takes, once `read_need` has asked.
        has_room: Whether that memory is its own.
    """

    def __init__(self, entry: CatalogModel, engine: EngineHandle, *, loads_on_use: bool = False) -> None:
        super().__init__(entry, engine, loads_on_use=loads_on_use)
        self.use = Use()
        self.need = Need()
        self.has_room = False

    @property
    def num_waiting(self) -> int:
        """The number of requests that wait until it is loaded."""
        return self.use.waiting.total()

    @property
    def loads_on_use(self) -> bool:
        """Whether a request loads it when it is not."""
        return self._loads_on_use

    @loads_on_use.setter
    def loads_on_use(self, loads_on_use: bool) -> None:
        self._loads_on_use = loads_on_use

    @property
    def load_state(self) -> LoadState:
        """How far it is loaded or unloaded."""
        return self._load_state

    @property
    def reserved_bytes(self) -> int:
        """What it holds of the memory; nothing once its engine has failed for good."""
        return self.need.total_bytes if self.has_room and self.state is not EngineState.FAILED else 0

    async def read_need(self) -> None:
        """Finds out what it needs.

        Raises:
            CheckpointError, OSError: Its weights can't be read.
        """
        need = await read_need(self.engine.config)
        self.need = replace(need, num_engines=self.engine.engines_per_device)

    def wait(self, detail: str) -> None:
        """Has it wait for its turn or for room, as each load begins. What was there of it is gone with its engine."""
        self._parts = None
        self._become(LoadState.WAITING, detail)

    async def load(self) -> None:
        """Takes its room, starts the engine, and loads tokenizer and chat template beside it.

        Raises:
            ModelNotReadyError: One of them can't be loaded; neither is kept.
        """
        self._become(LoadState.LOADING, f"loading {self.need}")
        if self.engine.state is EngineState.FAILED:
            await self.engine.stop()
        await self.engine.start()
        try:
            chat = await self._load_chat()
            info = await self.engine.wait_until_ready()
            _warn(self.entry.id, chat, info.vocab_size)
            self._parts = LoadedParts(chat, _limits(self.entry, info), info.tried, info.speculation)
            self.need = replace(self.need, kv_cache_bytes=info.kv_cache_bytes)
        except BaseException:
            await self.engine.stop("it could not be loaded")
            raise
        self._become(LoadState.LOADED)

    def fail(self, detail: str) -> None:
        """Notes that it can't be loaded, until somebody asks for it by name."""
        self._become(LoadState.FAILED, detail)

    def give_up(self, detail: str) -> None:
        """Notes that it is not loaded now, which is no failure."""
        self._become(LoadState.UNLOADED, detail)

    def withdraw(self, reason: str) -> None:
        """Begins to unload it: from now on no request begins to use it."""
        self._enter(LoadState.UNLOADING, reason)

    async def unload(self, reason: str) -> None:
        """Ends the engine; requests that are left end with ModelNotReadyError, which tells the reason."""
        has_engine = self.engine.state is not EngineState.STOPPED
        try:
            if has_engine:
                await self.engine.stop(reason)
                _log.info("%s is unloaded: %s", self.entry.id, reason)
        finally:
            self._parts = None
            self.has_room = False
            self._enter(LoadState.UNLOADED, "" if has_engine else reason)

    async def _load_chat(self) -> Chat:
        try:
            return await asyncio.to_thread(
                Chat.load,
                self.engine.config.checkpoint,
                self.entry.tool_call_format,
                self.entry.chat_template,
                self.entry.reasoning_format,
            )
        except (OSError, ValueError) as error:
            raise ModelNotReadyError(f"the tokenizer of {self.entry.id} can't be loaded: {error}") from error

    def _become(self, state: LoadState, detail: str = "") -> None:
        """Makes a step of a load. One that is being unloaded stays so, and keeps its room."""
        is_unloading = self._load_state is LoadState.UNLOADING
        keeps_room = self.has_room and (is_unloading or state is LoadState.LOADED)
        self.has_room = keeps_room or state is LoadState.LOADING
        self._enter(LoadState.UNLOADING if is_unloading else state, detail)

    def _enter(self, state: LoadState, detail: str) -> None:
        assert self._load_state.may_become(state), f"{self.entry.id}: {self._load_state} to {state}"
        self._load_state, self._detail = state, detail
        for callback in self._callbacks:
            callback()


def _warn(model_id: str, chat: Chat, vocab_size: int) -> None:
    """Tells of what only some requests would meet."""
    if chat.template_problem:
        _log.warning(
            "the chat template of %s is broken, so that prompts and messages are refused unless they are raw: %s",
            *(model_id, chat.template_problem),
        )
    if chat.num_token_ids > vocab_size:
        _log.warning(
            "the tokenizer of %s has token ids up to %d, and its weights know those up to %d: a prompt with one of the "
            "others is refused; is the tokenizer that of another model?",
            *(model_id, chat.num_token_ids - 1, vocab_size - 1),
        )


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
