"""What tests of checkpoints share."""

from tests.support.native import no_compiler

__all__ = ["no_compiler"]
