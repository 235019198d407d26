"""Which models fit into the memory of the devices together, and what would have to change for one that does not."""

import math
from collections.abc import Sequence

from service.checkpoints.memory import in_gb
from service.checkpoints.need import Budget
from service.engine_client.request import EngineState
from service.errors import ModelNotReadyError
from service.models.loading import LoadableModel

_MIB = 1 << 20


class NoRoomError(ModelNotReadyError):
    """A model does not fit beside those that are loaded; the message says what would make it fit."""


class Room:
    """Knows whether a model fits beside those that have their room.

    Args:
        budget: The memory.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def check(self, model: LoadableModel, models: Sequence[LoadableModel], free_bytes: int | None = None) -> None:
        """Refuses a model that does not fit.

        Args:
            model: The model.
            models: All models, those that have their room among them.
            free_bytes: What the device has been seen to have; None for what the budget says.

        Raises:
            NoRoomError: It has less than the model needs.
        """
        if free_bytes is None:
            loading = sum(other.reserved_bytes for other in models if other.state is EngineState.LOADING)
            free_bytes = self._budget.free_bytes(loading, self.reserved(models) - loading)
        if free_bytes is not None and model.need.total_bytes > free_bytes:
            raise NoRoomError(self._refusal(model, models, max(0, free_bytes)), model=model.entry.id)

    def reserved(self, models: Sequence[LoadableModel]) -> int:
        """What models have reserved together, in bytes."""
        return sum(model.reserved_bytes for model in models)

    def can_hold(self, model: LoadableModel) -> bool:
        """Whether a model would fit if it were alone, as far as is known."""
        return not self._budget.total_bytes or model.need.total_bytes <= self._budget.total_bytes

    def _refusal(self, model: LoadableModel, models: Sequence[LoadableModel], free_bytes: int) -> str:
        others = [other for other in models if other.reserved_bytes]
        loaded = ", ".join(f"{other.entry.id} ({in_gb(other.reserved_bytes)})" for other in others) or "nothing"
        total = f" of {in_gb(self._budget.total_bytes)}" if self._budget.total_bytes else ""
        where = " and ".join(self._budget.devices)
        ways = "; or ".join(self._ways(model, others, free_bytes)) or "a smaller model, or more memory"
        return (
            f"{model.entry.id} needs {model.need}, and {in_gb(free_bytes)}{total} are left on {where}. "
            f"Loaded: {loaded}. What would fit: {ways}"
        )

    def _ways(self, model: LoadableModel, others: Sequence[LoadableModel], free_bytes: int) -> list[str]:
        """What would have to change, one thing each."""
        ways = []
        need = model.need
        missing_bytes = need.total_bytes - free_bytes
        enough = [other for other in others if other.reserved_bytes >= missing_bytes]
        if enough:
            ways.append(f"it, with {' or '.join(other.entry.id for other in enough)} unloaded")
        elif self.reserved(others) >= missing_bytes:
            ways.append(f"it, with {' and '.join(other.entry.id for other in others)} unloaded")
        if (left_mib := (free_bytes // need.num_engines - need.weights_bytes) // _MIB) >= 1:
            ways.append(f"it, with --kv-cache-memory-mib {left_mib} or less")
        if self._budget.is_given:
            enough_mib = math.ceil((self._budget.total_bytes + missing_bytes) / _MIB)
            ways.append(f"it, with --memory-budget-mib {enough_mib}, if {' and '.join(self._budget.devices)} has that")
        return ways
