"""Tests that need something that is not installed."""

import pytest

from scripts.client_stubs import REQUIRED
from tests.support.missing_tools import skip_or_fail
from tests.support.repository import ROOT, SOURCES


def test_a_missing_tool_skips_a_test_and_fails_it_where_all_must_be_there(monkeypatch):
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no compiler"):
        skip_or_fail("no compiler")
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no compiler"):
        skip_or_fail("no compiler")


def test_nothing_else_skips_for_want_of_something():
    skipping = {str(path.relative_to(ROOT)) for path in SOURCES if f"pytest.{'skip'}(" in path.read_text()}
    # They need a git checkout, a large memory, or what the processor or its system has or has not.
    outside = {
        "tests/support/repository.py",
        "tests/gpu/test_linears.py",
        "tests/support/native.py",
        "tests/service/engine/native/test_matrix.py",
        "tests/service/engine/native/test_memory.py",
    }
    assert skipping == outside | {"tests/support/missing_tools.py"}
