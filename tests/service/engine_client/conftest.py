"""The tiny checkpoints that these tests share."""

from tests.support.engines import checkpoint, reference

__all__ = ["checkpoint", "reference"]
