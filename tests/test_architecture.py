"""ARCHITECTURE.md names every room, in the order that import-linter holds, with what it imports."""

import configparser
import re

import grimp
import pytest

from tests.support.repository import ROOT

TEXT = (ROOT / "ARCHITECTURE.md").read_text()
MAX_LINES = 200
CONTRACTS = {"service": "service-rooms", "service.engine": "engine-rooms", "bridge": "bridge-rooms"}
NOT_PLACED = {"demo"}  # service/demo has no code

each_container = pytest.mark.parametrize("container", CONTRACTS)


def floors(container):
    """The rooms of each floor of a container, from the top down, as .importlinter has them."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts[f"importlinter:contract:{CONTRACTS[container]}"]["layers"]
    return [floor.split(" | ") for floor in layers.split("\n") if floor]


def rows(container):
    """Each room of a container's table with the rooms that it imports, as the table says."""
    heading = container.replace(".", "/")
    section = TEXT.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    found = re.findall(r"^\| `([\w/]+)` \| .+? \|(.*) \|$", section, flags=re.MULTILINE)
    return {room: set(re.findall(r"[\w]+", imports)) for room, imports in found}


def room_of(module, container):
    """The room of a container that a module stands in; None if it stands elsewhere."""
    return module.removeprefix(f"{container}.").split(".")[0] if module.startswith(f"{container}.") else None


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("service", "bridge", exclude_type_checking_imports=False, cache_dir=None)


def test_it_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= MAX_LINES


@each_container
def test_its_tables_name_every_room_and_only_rooms_that_are_there(container):
    folder = ROOT / container.replace(".", "/")
    rooms = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")} - {f"{name}/" for name in NOT_PLACED}
    assert set(rows(container)) == rooms | {path.stem for path in folder.glob("*.py")} - {"__init__"}


@each_container
def test_its_tables_go_down_as_import_linter_does(container):
    levels = {room: level for level, floor in enumerate(floors(container)) for room in floor}
    table = [levels[room.rstrip("/")] for room in rows(container)]
    assert table == sorted(table)
    assert len(table) == len(levels)


def arrows(container, graph):
    """Each room of a container with the rooms of it that its modules import."""
    found: dict[str, set[str | None]] = {room.rstrip("/"): set() for room in rows(container)}
    for module in graph.modules:
        room = room_of(module, container)
        if room in found:
            found[room] |= {room_of(name, container) for name in graph.find_modules_directly_imported_by(module)}
    return {room: names - {room, None} for room, names in found.items()}


@each_container
def test_its_tables_tell_what_each_room_imports(container, graph):
    assert {room.rstrip("/"): names for room, names in rows(container).items()} == arrows(container, graph)


@each_container
def test_docstrings_of_rooms_name_only_arrows_that_are_there(container, graph):
    found, told = arrows(container, graph), set()
    for room in found:
        path = ROOT / container.replace(".", "/") / room / "__init__.py"
        docstring = " ".join(path.read_text().split()) if path.exists() else ""
        for below, above in re.findall(r"Imports (.*?); imported by ([^.:]*)", docstring):
            told |= {(room, name) for name in re.findall(r"\w+", below)}
            told |= {(name, room) for name in re.findall(r"\w+", above)}
    of_rooms = {(upper, lower) for upper, lower in told if upper in found and lower in found}
    assert of_rooms
    assert of_rooms <= {(upper, lower) for upper, names in found.items() for lower in names}
