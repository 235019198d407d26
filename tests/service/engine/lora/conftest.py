"""The tiny checkpoints that these tests share."""

from tests.support.engines import checkpoint, one_thread, reference

__all__ = ["checkpoint", "one_thread", "reference"]
