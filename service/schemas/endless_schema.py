"""Schemas that no value of finite size fits, since their references lead in circles."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from service.schemas.json_schema import Node, resolved, same_place, subschemas, types

_MAX_PASSES = 64
"""Each finds the values that lie one level deeper, or more. What is deeper than schemas are read is not looked for."""

_DEFINITIONS = frozenset({"$defs", "definitions"})


def is_endless(root: Any) -> bool:
    """Whether a normalized schema asks the same of the same value for ever, or for values within values without end.

    Schemas with an `$id` inside are not looked at: there the same reference stands for something else.
    """
    nodes = _nodes(root)
    if any("$id" in node for node in nodes.values() if node is not root):
        return False
    graph = {key: {id(applied) for applied in _applied(root, node)} & nodes.keys() for key, node in nodes.items()}
    try:
        inner_first = list(TopologicalSorter(graph).static_order())
    except CycleError:
        return True
    finite: set[int] = set()
    for _ in range(_MAX_PASSES):
        found = len(finite)
        finite.update(key for key in inner_first if key not in finite and _is_finite(root, nodes[key], nodes, finite))
        if len(finite) == found:
            return id(root) in nodes and id(root) not in finite
    return False


def _nodes(root: Any) -> dict[int, Node]:
    """All schemas that are objects and in use, by identity."""
    found: dict[int, Node] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict) and id(node) not in found:
            found[id(node)] = node
            waiting.extend(subschemas({key: node[key] for key in node if key not in _DEFINITIONS}))
            waiting.append(resolved(root, node.get("$ref")))
    return found


def _applied(root: Any, node: Node) -> Iterator[Any]:
    yield from same_place(node)
    yield resolved(root, node.get("$ref"))


def _is_finite(root: Any, node: Node, nodes: dict[int, Node], finite: set[int]) -> bool:
    """Whether some value fits, judged by what is known to be finite below; what allows nothing is wrong otherwise."""

    def known(schema: Any) -> bool:
        return id(schema) in finite or id(schema) not in nodes

    if "const" in node or "enum" in node:
        return True
    if not known(resolved(root, node.get("$ref"))) or not all(map(known, _listed(node, "allOf"))):
        return False
    if any(options and not any(map(known, options)) for options in (_listed(node, key) for key in ("anyOf", "oneOf"))):
        return False
    allowed = types(node)
    if not allowed or not set(allowed) <= {"object", "array"}:
        return True
    properties = node.get("properties")
    named = properties if isinstance(properties, dict) else {}
    needed = [named.get(name, node.get("additionalProperties")) for name in _listed(node, "required")]
    items = [*_listed(node, "prefixItems"), node.get("items")]
    return ("object" in allowed and all(map(known, needed))) or (
        "array" in allowed and all(map(known, items[: _count(node.get("minItems"))]))
    )


def _listed(node: Node, key: str) -> list[Any]:
    value = node.get(key)
    return [item for item in value if key != "required" or isinstance(item, str)] if isinstance(value, list) else []


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0
