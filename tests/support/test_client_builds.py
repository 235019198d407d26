"""Building what tests of other languages run."""

import pytest

from tests.support.client_builds import build_once


def test_two_processes_of_one_test_run_build_once_and_another_run_builds_anew(tmp_path, monkeypatch):
    builds = []
    for run in ("one", "one", "another"):
        monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", run)
        build_once(tmp_path / "build", "programs", lambda: builds.append(run))  # noqa: B023 - it is called at once
    assert builds == ["one", "another"]


def test_without_a_run_s_name_and_after_a_failure_it_is_built_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", "one")
    with pytest.raises(ZeroDivisionError):
        build_once(tmp_path, "programs", lambda: 1 / 0)
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID")
    builds = []
    for _ in range(2):
        build_once(tmp_path, "programs", lambda: builds.append(1))
    assert builds == [1, 1]
