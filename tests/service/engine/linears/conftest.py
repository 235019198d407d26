"""The compiled libraries that these tests share."""

from tests.support.native import library

__all__ = ["library"]
