"""The table of attacks in docs/reliability.md names tests that are there."""

import ast
import re

from tests.support.repository import ROOT

MIN_ROWS = 40


def table():
    """The lines of the table."""
    section = (ROOT / "docs/reliability.md").read_text().partition("\n## Attacks\n")[2]
    return section.partition("|---|---|---|\n")[2].partition("\n\n")[0].splitlines()


def rows():
    """Its rows: attack, what happens, and the test's file and name."""
    found = (re.fullmatch(r"\| ([^|]+) \| ([^|]+) \| `([\w/]+\.py)::(\w+)` \|", line) for line in table())
    return [match.groups() for match in found if match]


def names_in(path):
    """The functions of a file of tests."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_table_names_is_there():
    assert not [f"{path}::{name}" for _, _, path, name in rows() if name not in names_in(path)]


def test_the_table_has_each_attack_once_and_every_line_of_it_is_read():
    attacks = [attack for attack, *_ in rows()]
    assert len(attacks) == len(set(attacks)) == len(table()) >= MIN_ROWS
