"""What the repository as a whole keeps to."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from scripts.check_contract import differences
from scripts.check_versions import CLIENTS, problems
from tests.support.repository import FILES, ROOT, SOURCES

NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
TESTS = ROOT / "tests"
MIRRORED = {"accounts", "service", "bridge", "logs", "tracing", "transport", "bench", "demo"}


def test_no_name_says_nothing():
    assert not [path for path in FILES if NAMES_THAT_SAY_NOTHING & {path.stem, *path.relative_to(ROOT).parts[:-1]}]


def test_no_source_file_is_too_long_to_read_at_once():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    data = {name for name in lengths if "/data_" in name}
    assert not {name: length for name, length in lengths.items() if length > MAX_FILE_LINES and name not in data}


def test_no_function_is_too_long_to_read_at_once():
    functions = [
        (f"{path.relative_to(ROOT)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert not [(name, length) for name, length in functions if length > MAX_FUNCTION_LINES]


def test_nothing_is_left_to_do_in_a_comment():
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not [path for path in SOURCES if path != Path(__file__) and pattern.search(path.read_text())]


def test_no_module_imports_a_private_name_of_another():
    imported = [
        f"{path.relative_to(ROOT)}: from {node.module} import {alias.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if re.match(r"_[^_]", alias.name)
    ]
    assert not imported


def mirrored_tests():
    """What stands in the folders of tests/ that mirror those of the code, from tests/ on."""
    names = [path.relative_to(TESTS) for path in SOURCES if path.is_relative_to(TESTS)]
    return [name for name in names if name.parts[0] in MIRRORED and name.name != "conftest.py"]


def rooms_of(stem, package):
    """The folders of a package in which a module of this name stands."""
    return {
        path.parent.relative_to(ROOT) for path in SOURCES if path.stem == stem and path.is_relative_to(ROOT / package)
    }


each_mirrored_test = pytest.mark.parametrize("name", mirrored_tests(), ids=str)


def test_what_tests_share_stands_in_support():
    from_a_test = re.compile(r"^from tests\.(?:\w+\.)*test_\w+ import", flags=re.MULTILINE)
    assert not [path for path in SOURCES if path.is_relative_to(TESTS) and from_a_test.search(path.read_text())]


@each_mirrored_test
def test_tests_mirror_the_tree(name):
    """A test named like a module stands where that does; any other in a room, of which it says what it tests."""
    assert name.name.startswith("test_"), "what tests share stands in tests/support"
    stem = name.stem.removeprefix("test_")
    rooms = rooms_of("__main__" if stem == "main" else stem, name.parts[0])
    assert name.parent in rooms if rooms else (ROOT / name.parent).is_dir()
    assert ast.get_docstring(ast.parse((TESTS / name).read_text()))


def test_every_package_of_the_servers_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    tops = {name for name in listed if "." not in name and (ROOT / name).is_dir()}
    folders = {path.parent.relative_to(ROOT) for path in SOURCES if path.name == "__init__.py"}
    assert {".".join(folder.parts) for folder in folders if folder.parts[:1] and folder.parts[0] in tops} <= set(listed)


def test_each_version_is_the_same_everywhere():
    assert problems() == []


def test_the_version_of_each_package_of_npm_for_users_is_checked():
    packages = {str(path.relative_to(ROOT)) for path in FILES if path.match("clients/*/package.json")}
    assert len(packages) >= 2
    assert packages <= CLIENTS.keys()


def test_a_stale_a_missing_and_a_left_over_stub_are_all_found(tmp_path):
    for folder, files in {"new": {"a_pb2.py": "1", "b_pb2.py": "1"}, "old": {"a_pb2.py": "2", "c_pb2.py": "1"}}.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    assert differences(tmp_path / "new", tmp_path / "old") == ["a_pb2.py", "b_pb2.py", "c_pb2.py"]
