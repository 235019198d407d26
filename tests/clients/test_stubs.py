"""The committed stubs of languages besides Python, and what is said of those that can't be checked."""

import pytest

from scripts.check_contract import summary
from scripts.client_stubs import ALL, REQUIRED, say_missing, unlike
from tests.support.client_builds import CLIENTS


@pytest.mark.parametrize("stubs", ALL, ids=lambda stubs: stubs.language)
def test_each_language_has_its_stubs_committed(stubs):
    assert len(stubs.files(stubs.folder)) >= 7


def test_a_stub_that_is_missing_left_over_or_different_is_told():
    expected = {"same": b"1", "different": b"1", "missing": b"1"}
    assert unlike(expected, {"same": b"1", "different": b"2", "left over": b"1"}) == [
        "different",
        "left over",
        "missing",
    ]


def test_a_missing_generator_is_told_and_where_all_must_be_there_a_problem(monkeypatch, capsys):
    monkeypatch.delenv(REQUIRED, raising=False)
    monkeypatch.setenv("PATH", "")
    assert say_missing(ALL, "checked") == []
    assert "Go: its stubs are not checked without protoc libprotoc 3.21.12" in capsys.readouterr().err
    monkeypatch.setenv(REQUIRED, "1")
    assert len(say_missing(ALL, "checked")) == len(ALL)


@pytest.mark.parametrize("example", ["go/example/main.go", "cpp/example/main.cpp", "java/example/Example.java"])
def test_an_example_is_read_at_once(example):
    assert len((CLIENTS / example).read_text().splitlines()) <= 80


@pytest.mark.parametrize("stubs", ALL, ids=lambda stubs: stubs.language)
def test_what_tests_have_built_is_no_stub(stubs):
    built = CLIENTS / stubs.language.lower() / "build"
    assert built.parent.is_dir()
    assert not built.is_relative_to(stubs.folder)


def test_the_last_line_of_the_check_tells_which_stubs_nobody_looked_at():
    go, java, _ = ALL
    assert summary([], "v0.1.0") == "Stubs of Python, Go, Java, TypeScript are current; contract compared with v0.1.0"
    assert summary([go, java], None).startswith("Stubs of Python, TypeScript are current; ")
    assert summary([go, java], None).endswith("; NOT CHECKED: Go, Java")
