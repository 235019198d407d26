"""What a test does without something that it drives: a toolchain, a browser, a package index."""

import os
from typing import NoReturn

import pytest

from scripts.client_stubs import REQUIRED


def skip_or_fail(reason: str) -> NoReturn:
    """Fails the test where everything that tests drive must be there, else skips it."""
    if os.environ.get(REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)
