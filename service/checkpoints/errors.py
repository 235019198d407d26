"""What can be wrong with a checkpoint, and with fetching one."""


class CheckpointError(ValueError):
    """A checkpoint can't be used as it is; the message says why."""


class PullError(Exception):
    """A checkpoint can't be fetched; the message says why and what to do."""


class HubUnreachableError(PullError):
    """The hub does not answer, or something on the way to it refuses."""
