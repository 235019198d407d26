"""Each process of a test run finds the same cases in the same order, whatever its hashes are: xdist needs that."""

import ast
import re

import pytest

from tests.support.repository import ROOT, SOURCES

ORDERED_BY = {"list", "tuple", "enumerate", "iter", "map", "filter", "zip", "chain", "product"}


def has_no_order(node: ast.expr, sets: frozenset[str]) -> bool:
    """Whether an expression's values come in the order of a set.

    Args:
        node: The expression.
        sets: Names of the module that mean sets.
    """
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Name(id=name):
            return name in sets
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=given) if name in ORDERED_BY:
            return any(has_no_order(each, sets) for each in given)
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), left=left, right=right):
            return any(has_no_order(side, sets) or is_keys(side) for side in (left, right))
        case ast.ListComp(generators=loops) | ast.GeneratorExp(generators=loops) | ast.DictComp(generators=loops):
            return any(has_no_order(loop.iter, sets) for loop in loops)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return any(isinstance(part, ast.Starred) and has_no_order(part.value, sets) for part in parts)
    return False


def is_keys(node: ast.expr) -> bool:
    """Whether an expression is the keys of a dict, of which differences are sets."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"keys", "items"}


def cases_without_order(text: str) -> list[int]:
    """The lines of a module whose cases come in the order of a set."""
    tree = ast.parse(text)
    sets: frozenset[str] = frozenset()
    for node in tree.body:
        if isinstance(node, ast.Assign) and has_no_order(node.value, sets):
            sets |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return [value.lineno for value in values_of_cases(tree) if has_no_order(value, sets)]


def values_of_cases(tree: ast.Module) -> list[ast.expr]:
    """What the decorators of tests and fixtures have as cases."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    given = [call.args[1] for call in calls if call.func.attr == "parametrize" and len(call.args) > 1]  # type: ignore[attr-defined]
    return given + [word.value for call in calls for word in call.keywords if word.arg in ("params", "argvalues")]


@pytest.mark.parametrize(
    "values",
    [
        "{1, 2}",
        "set(found())",
        "NAMES",
        "[*NAMES]",
        "list(A.keys() - {1})",
        "[each for each in NAMES]",
        "NAMES | {3}",
        "enumerate(NAMES)",
    ],
)
def test_an_order_that_is_none_is_found(values):
    assert cases_without_order(f'NAMES = {{1, 2}}\n@pytest.mark.parametrize("it", {values})\ndef test(it): ...') == [2]


@pytest.mark.parametrize("values", ["sorted(NAMES)", "[1, 2]", "[{1}, {2}]", "A.keys()", "A | {1: 2}", "found()"])
def test_an_order_that_is_one_is_left_alone(values):
    assert not cases_without_order(f'NAMES = {{1, 2}}\n@pytest.mark.parametrize("it", {values})\ndef test(it): ...')


def test_no_cases_come_in_the_order_of_a_set():
    tests = [path for path in SOURCES if path.is_relative_to(ROOT / "tests")]
    found = {str(path.relative_to(ROOT)): cases_without_order(path.read_text()) for path in tests}
    assert not {name: lines for name, lines in found.items() if lines}


def test_no_name_of_a_case_has_an_address_or_the_order_of_a_set(request):
    """Of the tests that this process has found; ids=str makes such names."""
    cases = [item for item in request.session.items if hasattr(item, "callspec")]
    assert not [item.nodeid for item in cases if re.search(r"\bat 0x[0-9a-f]+", item.callspec.id)]
    sets = [
        (item, value) for item in cases for value in item.callspec.params.values() if isinstance(value, set | frozenset)
    ]
    assert not [item.nodeid for item, value in sets if len(value) > 1 and str(value) in item.callspec.id]
