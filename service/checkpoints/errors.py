"""What can be wrong with a checkpoint."""


class CheckpointError(ValueError):
    """A checkpoint can't be used as it is; the message says why."""
