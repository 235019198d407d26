"""What can keep a checkpoint from being served."""


class UnsupportedModelError(ValueError):
    """The engine would not compute what the model's class computes, and why."""
