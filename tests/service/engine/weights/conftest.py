"""The host without a compiler that these tests share."""

from tests.support.native import no_compiler

__all__ = ["no_compiler"]
