"""The models of the service: which it serves, and which one answers a request."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from service.catalog import Catalog, CatalogModel
from service.checkpoints.locate import locate
from service.engine_protocol.sampling_params import Priority
from service.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ModelNotReadyError,
    RunstreamError,
    WeightsMissingError,
)
from service.models.loader import Loader
from service.models.loading import LoadableModel
from service.models.model import LoadedParts, Model


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
        """Whether the one that answers is another than the one named, or the base of the adapter named."""
        return (self.named.parent or self.named.id) != self.model.entry.id

    @property
    def adapter(self) -> str:
        """The LoRA adapter that the model's name stands for; empty for none."""
        return self.named.id if self.named.parent and not self.stands_in else ""

    @property
    def served_model(self) -> str:
        """The id of what answers."""
        return self.adapter or self.model.entry.id


class Models:
    """All models of a catalog, some of which have engines.

    Args:
        catalog: What there is.
        stand_in: Which of those with an engine answers for the others; empty for none.
        loader: Loads and unloads them.
        open_model: Makes one of what the catalog says; raises WeightsMissingError if it has no weights here.

    Attributes:
        catalog: As given.
        not_here: Models that were asked for at the start and have no weights here, each with the reason.
    """

    def __init__(
        self, catalog: Catalog, stand_in: str, loader: Loader, open_model: Callable[[CatalogModel], LoadableModel]
    ) -> None:
        self.catalog = catalog
        self.not_here: dict[str, WeightsMissingError] = {}
        self._models: dict[str, LoadableModel] = {}
        self._stand_in = stand_in
        self._loader = loader
        self._open_model = open_model
        self._callbacks: list[Callable[[LoadableModel], None]] = []

    @property
    def opened(self) -> list[Model]:
        """The models with engines, loaded or not."""
        return list(self._models.values())

    def on_open(self, callback: Callable[[LoadableModel], None]) -> None:
        """Calls back for each model with an engine, now or when it gets one."""
        self._callbacks.append(callback)
        for model in list(self._models.values()):
            callback(model)

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
        """Who answers requests for a model, as soon as it is loaded.

        Raises:
            ModelNotFoundError: The catalog does not name it.
            WeightsMissingError: It has no weights here and nobody stands in.
            ModelNotReadyError: It has weights here, but the service was not asked to serve it.
        """
        named = self.entry(model_id)
        if not named.generates_text:
            locate(named)
        if named.replaced_by:
            return self.answering(named.replaced_by)
        model, stand_in = self._models.get(named.parent or model_id), self._models.get(self._stand_in)
        if stand_in is not None and (model is None or model.is_withdrawn):
            model = stand_in
        if model is None:
            locate(named)
            base = named.parent or model_id
            raise ModelNotReadyError(
                f"{model_id} is not loaded: python -m service load {base} loads it, "
                f"or start the service with --models {base}",
                model=model_id,
            )
        return Answering(named, model)

    def answered_by(self, model: Model) -> list[str]:
        """The ids of the models that one answers for, its own among them."""
        own = model.entry.id
        is_stand_in = own == self._stand_in
        bases = ((name, entry.parent or entry.replaced_by or name) for name, entry in self.catalog.items())
        return [name for name, base in bases if base == own or (is_stand_in and base not in self._models)]

    def adapters_of(self, model_id: str) -> list[str]:
        """The names of a model's LoRA adapters."""
        return [name for name, entry in self.catalog.items() if entry.parent == model_id]

    def using(self, model: Model, priority: Priority) -> AbstractAsyncContextManager[LoadedParts]:
        """Keeps a model loaded while its parts are used; see `Loader.using`."""
        return self._loader.using(self._models[model.entry.id], priority)

    def add(self, model: LoadableModel) -> None:
        """Serves a model, loaded or not."""
        self._models[model.entry.id] = model
        self.not_here.pop(model.entry.id, None)
        self._loader.add(model)
        for callback in self._callbacks:
            callback(model)

    def open(self, model_id: str) -> None:
        """Gives a model of the catalog an engine, not started yet; or notes that it has no weights here."""
        try:
            self.add(self._open_model(self.catalog[model_id]))
        except WeightsMissingError as error:
            self.not_here[model_id] = error

    async def load(self, model_id: str) -> None:
        """Loads a model of the catalog, or an adapter with its base, and serves it from now on.

        Raises:
            ModelNotFoundError: The catalog does not name it.
            WeightsMissingError: It has no weights here.
            ModelNotReadyError: It can't be loaded, or there is no room for it.
        """
        entry = self.entry(self.entry(model_id).parent or model_id)
        if entry.id not in self._models:
            self.add(self._open_model(entry))
        await self._loader.load(self._models[entry.id])

    async def unload(self, model_id: str, drain_s: float) -> None:
        """Unloads a model. The next request loads it again only if the service loads models on use.

        Args:
            model_id: The model.
            drain_s: How long requests that it answers may go on before.

        Raises:
            ModelNotFoundError: The catalog does not name it.
            InvalidRequestError: It is a LoRA adapter, which its base has.
        """
        if parent := self.entry(model_id).parent:
            raise InvalidRequestError(f"{model_id} is a LoRA adapter of {parent}: unload that", "model")
        if model := self._models.get(model_id):
            model.loads_on_use = self._loader.loads_on_use
            await self._loader.unload(model, "it was unloaded", drain_s)

    async def load_all(self) -> dict[str, RunstreamError]:
        """Loads the models that have engines, unless they are loaded on use.

        Returns:
            Why models are not loaded, by id. None touches another.

        Raises:
            RunstreamError: None is; this is the first one's reason.
        """
        failures: dict[str, RunstreamError] = dict(self.not_here)
        if not self._loader.loads_on_use:
            failures |= await self._loader.load_all()
        if len(failures) == len(self._models) + len(self.not_here):
            raise next(iter(failures.values()))
        return failures

    async def follow(self) -> None:
        """Unloads idle models until cancelled."""
        await self._loader.follow()

    async def stop(self) -> None:
        """Ends all engines."""
        await self._loader.stop()
