"""What a query in PromQL asks for."""

from collections.abc import Iterator
from typing import Any

import promql_parser as promql


def selectors(expression: Any) -> Iterator[promql.VectorSelector]:
    """All selectors of series in an expression."""
    for part in _parts(expression):
        if isinstance(part, promql.VectorSelector):
            yield part
        elif isinstance(part, promql.MatrixSelector):
            yield part.vector_selector


def metric_of(selector: promql.VectorSelector) -> tuple[str, set[str]]:
    """The name of what a selector selects, and the labels that it matches."""
    return str(selector.name), {matcher.name for matcher in selector.matchers.matchers}


def grouped_labels(expression: Any) -> set[str]:
    """The labels by which an expression aggregates, or on which it matches."""
    labels: set[str] = set()
    for part in _parts(expression):
        if isinstance(part, promql.AggregateExpr) and part.modifier is not None:
            labels.update(part.modifier.labels)
        elif isinstance(part, promql.BinaryExpr) and part.modifier is not None and part.modifier.matching is not None:
            labels.update(part.modifier.matching.labels)
    return labels


def _parts(expression: Any) -> Iterator[Any]:
    """The expression and all within it."""
    yield expression
    inner = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "param")]
    for part in (*inner, *getattr(expression, "args", ())):
        if part is not None and not isinstance(part, str):
            yield from _parts(part)
