"""Tests are run one after the other; one that hangs or crashes costs only itself."""

from pathlib import Path

from bench.gpu.visit.tests_job import TestsJob

TESTS = """
import os, threading

def test_good(): pass
def test_bad(): assert 1 + 1 == 3, "sums differ"
def test_crash(): os.abort()
def test_after_the_crash(): pass
def test_hang(): threading.Event().wait()
def test_last(): pass
"""
CONFTEST = "def pytest_addoption(parser): parser.addoption('--device')"


def outcomes(folder: Path, before: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    job = TestsJob("cpu", (str(folder / "test_it.py"),), before, folder / "output.txt", each_s=4.0)
    return {told.value["name"]: (told.value["outcome"], told.value["detail"]) for told in job.run()}


def write_tests(folder: Path) -> None:
    (folder / "test_it.py").write_text(TESTS)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:faulthandler\n")


def test_each_test_has_an_outcome_and_those_after_a_bad_one_run(tmp_path: Path) -> None:
    write_tests(tmp_path)
    found = outcomes(tmp_path)
    assert found.pop("test_it.py::test_bad") == ("failed", "AssertionError: sums differ")
    assert found == {
        "test_it.py::test_good": ("passed", ""),
        "test_it.py::test_crash": ("ended", "its process ended with -6"),
        "test_it.py::test_after_the_crash": ("passed", ""),
        "test_it.py::test_hang": ("ended", "took too long"),
        "test_it.py::test_last": ("passed", ""),
    }
    assert "sums differ" in (tmp_path / "output.txt").read_text()


def test_what_an_earlier_call_has_run_is_not_run_again(tmp_path: Path) -> None:
    write_tests(tmp_path)
    before = tuple(f"test_it.py::test_{name}" for name in ("good", "crash", "hang", "after_the_crash"))
    assert list(outcomes(tmp_path, before)) == ["test_it.py::test_bad", "test_it.py::test_last"]
