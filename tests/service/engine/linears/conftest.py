"""The compiled libraries that these tests share."""

from tests.support.native import library, no_compiler

__all__ = ["library", "no_compiler"]
