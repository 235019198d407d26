"""The states of a model on its way into memory and out of it, and which of them may follow each."""

import enum


class LoadState(enum.Enum):
    """How far a model is loaded or unloaded.

    Attributes:
        UNLOADED: Nothing of it is there.
        WAITING: It is to be loaded, and waits for its turn or for room.
        LOADING: It has its room, and its engine starts.
        LOADED: It is there; its engine tells whether it takes requests, is started again or has failed.
        UNLOADING: Its requests may end; then its engine does.
        FAILED: It could not be loaded.
    """

    UNLOADED = enum.auto()
    WAITING = enum.auto()
    LOADING = enum.auto()
    LOADED = enum.auto()
    UNLOADING = enum.auto()
    FAILED = enum.auto()

    def may_become(self, state: "LoadState") -> bool:
        """Whether another state may follow this one."""
        return state in _FOLLOWING[self]


_FOLLOWING = {
    LoadState.UNLOADED: {LoadState.WAITING, LoadState.UNLOADING},
    LoadState.WAITING: {*LoadState} - {LoadState.LOADED},
    LoadState.LOADING: {*LoadState} - {LoadState.LOADING},
    # It is loaded again after its engine has failed for good.
    LoadState.LOADED: {LoadState.WAITING, LoadState.UNLOADING},
    LoadState.UNLOADING: {LoadState.UNLOADING, LoadState.UNLOADED},
    LoadState.FAILED: {LoadState.WAITING, LoadState.UNLOADING},
}
