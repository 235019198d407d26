"""What can be wrong with a checkpoint."""


class CheckpointError(ValueError):
    """A checkpoint's weights are not those of the model that its config describes, and why."""
