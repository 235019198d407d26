"""Folders of the code are rooms: small, each with a purpose that it tells."""

import ast

import pytest

from tests.support.repository import ROOT, SOURCES

MAX_FILES = 20
PACKAGES = ("accounts", "service", "bridge")
PACKAGES = ("accounts", "service", "bridge")
ROOMS = sorted({path.parent for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES})

each_room = pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))


@each_room
def test_a_room_is_small_enough_to_look_around_in(room):
    assert len(list(room.glob("*.py"))) <= MAX_FILES


@each_room
def test_a_room_says_what_it_is_for(room):
    tree = ast.parse((room / "__init__.py").read_text())
    lines = (ast.get_docstring(tree) or "").splitlines()
    assert 2 <= len(lines) <= 5


@each_room
def test_a_room_exports_nothing_of_its_files(room):
    statements = ast.parse((room / "__init__.py").read_text()).body
    modules = [node.module or "" for node in statements if isinstance(node, ast.ImportFrom)]
    assert not [module for module in modules if module.split(".")[0] in PACKAGES]
