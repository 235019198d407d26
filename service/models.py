"""The models of the service: which are loaded, and which one answers a request."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.catalog import Catalog, CatalogModel
from service.chat import Chat
from service.checkpoints.locate import locate
from service.checkpoints.quantization import best_stored
from service.config import ConfigError, ServiceConfig
from service.conversion import Room
from service.engine.messages import EngineConfig, EngineInfo
from service.engine.process import EngineProcess
from service.engine.request import EngineState
from service.errors import ModelNotFoundError, ModelNotReadyError


@dataclass(frozen=True, slots=True)
class LoadedParts:
    """What there is of a model once it is loaded.

    Attributes:
        chat: Turns requests into token ids and these into text.
        room: The bounds of its requests.
    """

    chat: Chat
    room: Room


class Model:
    """A model with an engine of its own.

    Args:
        entry: What the catalog says of it.
        engine: Its engine, not started yet.

    Attributes:
        entry, engine: As given.
    """

    def __init__(self, entry: CatalogModel, engine: EngineProcess) -> None:
        self.entry = entry
        self.engine = engine
        self._parts: LoadedParts | None = None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_serving(self) -> bool:
        """Whether a request would be answered now."""
        return self._parts is not None and self.engine.is_serving

    @property
    def state(self) -> EngineState:
        """The engine's state, except that a model without its tokenizer is still loading."""
        is_half_loaded = self.engine.state is EngineState.READY and self._parts is None
        return EngineState.LOADING if is_half_loaded else self.engine.state

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back, in the event loop, whenever `state` or `is_serving` may have changed."""
        self._callbacks.append(callback)
        self.engine.on_change(callback)

    async def load(self) -> None:
        """Loads tokenizer and chat template while the started engine loads the weights.

        Raises:
            ModelNotReadyError: One of them can't be loaded.
        """
        try:
            chat = await asyncio.to_thread(
                Chat.load, self.engine.config.checkpoint, self.entry.tool_call_format, self.entry.chat_template
            )
        except (OSError, ValueError) as error:
            raise ModelNotReadyError(f"the tokenizer of {self.entry.id} can't be loaded: {error}") from error
        self._parts = LoadedParts(chat, _room(self.entry, await self.engine.wait_until_ready()))
        for callback in self._callbacks:
            callback()

    def loaded(self) -> LoadedParts:
        """What `load` has loaded.

        Raises:
            ModelNotReadyError: It has not ended yet.
        """
        if self._parts is None:
            raise ModelNotReadyError(f"{self.entry.id} is being loaded", model=self.entry.id)
        return self._parts


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers a request.

    Attributes:
        named: The catalog's entry of the model that the request names.
        model: The model that answers.
    """

    named: CatalogModel
    model: Model

    @property
    def stands_in(self) -> bool:
        """Whether the one that answers is another than the one named."""
        return self.named.id != self.model.entry.id


class Models:
    """All models of a catalog, of which some are loaded.

    Args:
        catalog: What there is.
        loaded: The models with an engine, by id.
        stand_in: Which of them answers for those that are not loaded; empty for none.

    Attributes:
        catalog: As given.
    """

    def __init__(self, catalog: Catalog, loaded: Mapping[str, Model], stand_in: str = "") -> None:
        self.catalog = catalog
        self._loaded = loaded
        self._stand_in = stand_in

    @property
    def loaded(self) -> list[Model]:
        """The models with an engine."""
        return list(self._loaded.values())

    def entry(self, model_id: str) -> CatalogModel:
        """What the catalog says of a model.

        Raises:
            ModelNotFoundError: Nothing.
        """
        try:
            return self.catalog[model_id]
        except KeyError:
            raise ModelNotFoundError(f"No such model {model_id} or task", model=model_id) from None

    def answering(self, model_id: str) -> Answering:
        """Who answers requests for a model.

        Raises:
            ModelNotFoundError: The catalog does not name it.
            WeightsMissingError: It has no weights here and nobody stands in.
            ModelNotReadyError: It has weights here but was not loaded.
        """
        named = self.entry(model_id)
        model = self._loaded.get(model_id) or self._loaded.get(self._stand_in)
        if model is None:
            locate(named)
            raise ModelNotReadyError(f"{model_id} is not loaded: start the service with --models {model_id}")
        return Answering(named, model)

    def answered_by(self, model: Model) -> list[str]:
        """The ids of the models that a loaded one answers for, its own among them."""
        own = model.entry.id
        is_stand_in = own == self._stand_in
        return [name for name in self.catalog if name == own or (is_stand_in and name not in self._loaded)]

    async def load(self) -> None:
        """Starts all engines, then waits until each model can answer.

        Raises:
            ModelNotReadyError: One of them can't be loaded.
        """
        for model in self._loaded.values():
            await model.engine.start()
        await asyncio.gather(*(model.load() for model in self._loaded.values()))

    async def stop(self) -> None:
        """Ends all engines."""
        await asyncio.gather(*(model.engine.stop() for model in self._loaded.values()))


def open_models(config: ServiceConfig, catalog: Catalog) -> Models:
    """The models that a config asks for, not loaded yet.

    Raises:
        ConfigError: The catalog does not name one of them, or this version can't load it.
        WeightsMissingError: One of them has no weights on this machine.
    """
    loaded = {}
    for model_id in config.models_to_load:
        if model_id not in catalog:
            raise ConfigError(f"the catalog has no model {model_id} to load, only {', '.join(catalog)}")
        loaded[model_id] = _open_model(config, catalog[model_id])
    return Models(catalog, loaded, config.stand_in)


def _open_model(config: ServiceConfig, entry: CatalogModel) -> Model:
    checkpoint = best_stored(locate(entry), entry.quantization)
    engine_config = EngineConfig(
        checkpoint=checkpoint,
        device=config.device,
        dtype=config.dtype or entry.dtype,
        quantization=entry.quantization,
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
        kv_cache_memory_mib=config.kv_cache_memory_mib,
        num_threads=config.num_threads,
    )
    return Model(
        entry, EngineProcess(engine_config, config.max_waiting, config.max_waiting_tokens, config.stall_timeout_s)
    )


def _room(entry: CatalogModel, info: EngineInfo) -> Room:
    context_window = min(entry.context_window, info.max_position_embeddings, info.num_kv_tokens)
    return Room(entry.max_prompt_tokens, entry.max_completion_tokens, context_window, info.vocab_size)
