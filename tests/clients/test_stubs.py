"""The committed stubs of languages besides Python, and what is said of those that can't be checked."""

import pytest

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


def test_what_tests_have_built_is_no_stub(tmp_path):
    for name in ("runstream/v1/a.pb.go", "build/src/runstream/v1/a.pb.go"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("package v1")
    (go,) = (each for each in ALL if each.language == "Go")
    assert list(go.files(tmp_path)) == ["runstream/v1/a.pb.go"]
