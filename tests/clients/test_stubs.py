"""The stubs of languages besides Python, what they are made of, and what is said of those that can't be checked."""

import re
import subprocess
import sys
from pathlib import Path

import google.rpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2

from scripts.check_contract import summary
from scripts.client_stubs import ALL, REQUIRED, say_missing, unlike
from tests.support.client_builds import CLIENTS
from tests.support.repository import ROOT

THIRD_PARTY = CLIENTS / "cpp/third_party"
CONTRACT = {path.stem: path.read_text() for path in (ROOT / "protos/runstream/v1").glob("*.proto")}


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


def cmake_list(name):
    """A list of the C++ package's CMakeLists.txt."""
    found = re.search(rf"^set\({name} ([^)]+)\)", (CLIENTS / "cpp/CMakeLists.txt").read_text(), re.MULTILINE)
    assert found is not None
    return sorted(found[1].split())


def test_cmake_makes_stubs_of_each_file_of_the_contract_and_of_others():
    others = {
        str(path.relative_to(THIRD_PARTY).with_suffix("")): path.read_text() for path in THIRD_PARTY.rglob("*.proto")
    }
    files = others | {f"runstream/v1/{name}": text for name, text in CONTRACT.items()}
    assert cmake_list("messages") == sorted(files)
    assert cmake_list("services") == sorted(name for name, text in files.items() if re.search(r"(?m)^service ", text))


def test_the_typescript_package_exports_each_file_of_the_contract():
    exported = re.findall(r"stubs/runstream/v1/(\w+)_pb\.js", (CLIENTS / "typescript/src/v1.ts").read_text())
    assert sorted(exported) == sorted(CONTRACT)


@pytest.mark.parametrize("name", ["status.proto", "error_details.proto"])
def test_the_files_of_google_rpc_are_those_of_the_pinned_wheel(name):
    (wheel,) = google.rpc.__path__
    assert (THIRD_PARTY / "google/rpc" / name).read_bytes() == (Path(wheel) / name).read_bytes()


def test_the_file_of_health_says_nothing_else_than_the_pinned_wheel(tmp_path):
    name = "grpc/health/v1/health.proto"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{THIRD_PARTY}"]
    subprocess.run([*protoc, f"--descriptor_set_out={tmp_path}/set", name], check=True)
    (ours,) = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    for field in (field for message in ours.message_type for field in message.field):
        field.ClearField("json_name")  # which the wheel leaves out, and which follows from the name
    theirs = descriptor_pb2.FileDescriptorProto()
    health_pb2.DESCRIPTOR.CopyToProto(theirs)
    assert ours.package == theirs.package
    assert all(message in theirs.message_type for message in ours.message_type)
    (service,), (their_service,) = ours.service, theirs.service  # which has List besides
    assert service.name == their_service.name
    assert all(method in their_service.method for method in service.method)
