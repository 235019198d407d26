"""The tables of what was simulated, as they are printed and as docs/ has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.fleet.cases import Case, Found
from bench.fleet.fleet import Outcome, Scenario
from bench.fleet.hardware import Hardware
from bench.fleet.load import Traffic
from bench.report import table

_WORTH_A_PRICE: Final = 0.5
"""The least part that is answered well; below it a price for each of these says nothing."""


def markdown(found: Found) -> str:
    """A table for each part."""
    parts = dict.fromkeys(case.part for case, _ in found)
    return "\n\n".join(f"### {part.capitalize()}\n\n{_table(found, part)}" for part in parts)


def kept_table(rows: Sequence[Mapping[str, Any]], part: str) -> str:
    """The table of a part again, from what `--json` has kept.

    Raises:
        KeyError: Nothing of that part was kept.
    """
    found = [(_case_of(row), Outcome(**row["outcome"])) for row in rows if row["part"] == part]
    if not found:
        raise KeyError(part)
    return _table(found, part)


def _case_of(row: Mapping[str, Any]) -> Case:
    scenario = row["scenario"]
    parts = {"hardware": Hardware(**scenario["hardware"]), "traffic": Traffic(**scenario["traffic"])}
    return Case(row["part"], Scenario(**{**scenario, **parts}))


def _table(found: Found, part: str) -> str:
    rows = [_fault_cells(case, outcome) if part == "faults" else _cells(case, outcome) for case, outcome in found]
    shown = [row for row, (case, _) in zip(rows, found, strict=True) if case.part == part]
    return table(list(shown[0]), [list(row.values()) for row in shown])


def _cells(case: Case, outcome: Outcome) -> dict[str, str]:
    """A row by its headings: what differs between the cases of the part comes first."""
    scenario = case.scenario
    load = f"{scenario.requests_per_hour / scenario.num_replicas:,.0f}"
    first = {"requests/h and GPU": load} if case.part == "load" else {"GPUs": f"{scenario.num_replicas:,}"}
    return {
        **first,
        **_times(case, outcome),
        "between tokens p99, ms": f"{1e3 * outcome.inter_token_p99_s:.0f}",
        "well": f"{100 * outcome.goodput:.1f} %".replace("100.0", "100"),
        "cached": f"{100 * outcome.cached:.0f} %",
        "$ a million": f"{outcome.dollars_per_million:.0f}" if outcome.goodput > _WORTH_A_PRICE else "–",
    }


def _fault_cells(case: Case, outcome: Outcome) -> dict[str, str]:
    return {
        "faults": _faults_of(case.scenario),
        **_times(case, outcome),
        "well": f"{100 * outcome.goodput:.2f} %",
        "cut off": f"{100 * outcome.failed:.2f} %",
        "sent again": f"{100 * outcome.retried:.2f} %",
        "cached": f"{100 * outcome.cached:.0f} %",
    }


def _times(case: Case, outcome: Outcome) -> dict[str, str]:
    return {
        "policy": case.scenario.policy,
        "TTFT p50, ms": f"{1e3 * outcome.ttft_p50_s:,.0f}",
        "p99, ms": f"{1e3 * outcome.ttft_p99_s:,.0f} ± {1e3 * outcome.ttft_p99_margin_s:,.0f}",
    }


def _faults_of(scenario: Scenario) -> str:
    if scenario.is_rolling:
        return "restarted"
    return "dies" if scenario.failures_per_hour else "none"
