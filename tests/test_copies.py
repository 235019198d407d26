"""What bridge and service each have of their own, since neither imports the other, is one text on both sides."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

COPIES = [
    ("bridge/http/metrics.py", "service/event_loop_lag.py", {"EventLoopLag", "LAG_PERIOD_S", "LAG_BOUNDS_S"}),
    ("bridge/http/turns.py", "service/rpc/turns.py", {"LARGE_BYTES", "MAX_TURN_S_PER_BYTE", "Turn"}),
    ("bridge/http/addresses.py", "service/rpc/ports.py", {"bare_host"}),
]


def definitions(path: str) -> dict[str, str]:
    """The constants, functions and classes of a module, by name, as they are written but for comments."""
    found = {}
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = ast.unparse(node)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found[ast.unparse(target)] = ast.unparse(node)
    return found


@pytest.mark.parametrize(("ours", "theirs", "names"), COPIES, ids=[ours for ours, _, _ in COPIES])
def test_a_copy_is_the_same_on_both_sides(ours, theirs, names):
    here, there = definitions(ours), definitions(theirs)
    assert {name: here[name] for name in names} == {name: there[name] for name in names}


def of_all(part: str) -> set[str]:
    """All functions and classes of a part."""
    paths = (str(path.relative_to(ROOT)) for path in (ROOT / part).rglob("*.py"))
    written = (text for path in paths for text in definitions(path).values())
    return {text for text in written if text.startswith(("def ", "async def ", "class "))}


def test_every_copy_is_one_of_these():
    known = {definitions(ours)[name] for ours, _, names in COPIES for name in names}
    assert of_all("bridge") & of_all("service") <= known
