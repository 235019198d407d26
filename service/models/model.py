"""One model as those see it who serve it: what the catalog says of it, its engine, and whether it takes requests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from service.catalog import CatalogModel
from service.engine_client.handle import EngineHandle
from service.engine_client.request import EngineState
from service.engine_protocol.choices import Tried
from service.engine_protocol.speculative import Speculation
from service.errors import ModelNotReadyError
from service.models.load_state import LoadState
from service.prompts.tokenizer import Chat
from service.requests.sampling_params import Limits

# A model that is loaded is as its engine is.
_SHOWN_AS = {
    LoadState.UNLOADED: EngineState.STOPPED,
    LoadState.WAITING: EngineState.LOADING,
    LoadState.LOADING: EngineState.LOADING,
    LoadState.UNLOADING: EngineState.STOPPED,
    LoadState.FAILED: EngineState.FAILED,
}


@dataclass(frozen=True, slots=True)
class LoadedParts:
    """What there is of a model once it is loaded.

    Attributes:
        chat: Turns requests into token ids and these into text.
        limits: The bounds of its requests.
        tried, speculation: See `EngineInfo`.
    """

    chat: Chat
    limits: Limits
    tried: tuple[Tried, ...] = ()
    speculation: Speculation = field(default_factory=Speculation)


class Model:
    """A model with an engine, or several, of its own. Only its loader changes it, as a `LoadableModel`.

    Args:
        entry: What the catalog says of it.
        engine: Its engine, not started yet.
        loads_on_use: Whether a request loads it when it is not.

    Attributes:
        entry, engine: As given.
    """

    def __init__(self, entry: CatalogModel, engine: EngineHandle, *, loads_on_use: bool = False) -> None:
        self.entry: Final = entry
        self.engine: Final = engine
        self._loads_on_use = loads_on_use
        self._load_state = LoadState.UNLOADED
        self._detail = ""
        self._parts: LoadedParts | None = None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def state(self) -> EngineState:
        """Its state as requests meet it."""
        return _SHOWN_AS.get(self._load_state, self.engine.state)

    @property
    def state_detail(self) -> str:
        """Why its state is what it is; while it is being loaded, how far that is."""
        is_starting = self.state is self.engine.state is EngineState.LOADING
        detail = self.engine.state_detail if is_starting or not self._detail else self._detail
        if self.state is not EngineState.STOPPED:
            return detail
        how = "a request loads it" if self._loads_on_use else f"python -m service load {self.entry.id} loads it"
        return f"{detail.rstrip('.') or 'it was not loaded'}; {how}"

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was unloaded and stays so until somebody asks for it to be loaded."""
        return self.state is EngineState.STOPPED and not self._loads_on_use

    @property
    def is_loaded(self) -> bool:
        """Whether requests can be given to its engine."""
        return self.state is EngineState.READY

    @property
    def is_serving(self) -> bool:
        """Whether a request would be answered, now or as soon as it has loaded the model."""
        if self.state is EngineState.STOPPED:
            return self._loads_on_use
        return self.is_loaded and self.engine.is_serving

    @property
    def takes_requests(self) -> bool:
        """Whether it is serving, or is being loaded for a request that waits for it."""
        is_being_loaded = self._load_state in (LoadState.WAITING, LoadState.LOADING)
        return self.is_serving or (self._loads_on_use and is_being_loaded)

    @property
    def can_call_tools(self) -> bool:
        """Whether it was trained to, as the catalog says or, once it is loaded, its chat template."""
        is_found = self._parts is not None and self._parts.chat.tool_template.is_trained
        return bool(self.entry.tool_call_format) or is_found

    @property
    def tried(self) -> tuple[Tried, ...]:
        """The ways to compute that were tried for it on this machine; none while it is not loaded."""
        return self._parts.tried if self._parts is not None else ()

    @property
    def speculation(self) -> Speculation | None:
        """How its engines draft; None while it is not loaded."""
        return self._parts.speculation if self._parts is not None else None

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back, in the event loop, whenever `state` or `is_serving` may have changed."""
        self._callbacks.append(callback)
        self.engine.on_change(callback)

    def loaded(self) -> LoadedParts:
        """What is there of it.

        Raises:
            ModelNotReadyError: It was not loaded yet.
        """
        if self._parts is None:
            raise ModelNotReadyError(f"{self.entry.id} is {self.state.value}: {self.state_detail}", model=self.entry.id)
        return self._parts
