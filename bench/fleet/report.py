"""The tables of what was simulated, as they are printed and as docs/ has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.fleet.cases import Case, Found
from bench.fleet.fleet import Outcome, Scenario
from bench.fleet.hardware import Hardware
from bench.fleet.load import Traffic


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
    lines = [
        "| replicas | requests/h | faults | policy | TTFT p50, ms | TTFT p99, ms | between tokens p99, ms "
        "| answered well | cut off | sent again | cached | busy | $ a million |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(case.scenario, outcome) for case, outcome in found if case.part == part)])


def _line(scenario: Scenario, outcome: Outcome) -> str:
    cells = (
        f"{scenario.num_replicas:,}",
        f"{scenario.requests_per_hour:,.0f}",
        _faults_of(scenario),
        scenario.policy,
        f"{1e3 * outcome.ttft_p50_s:.0f}",
        f"{1e3 * outcome.ttft_p99_s:.0f} ± {1e3 * outcome.ttft_p99_margin_s:.0f}",
        f"{1e3 * outcome.inter_token_p99_s:.1f}",
        f"{outcome.goodput:.2%}",
        f"{outcome.failed:.2%}",
        f"{outcome.retried:.2%}",
        f"{outcome.cached:.0%}",
        f"{outcome.busy:.0%}",
        f"{outcome.dollars_per_million:.0f}" if outcome.goodput > 0.5 else "–",
    )
    return f"| {' | '.join(cells)} |"


def _faults_of(scenario: Scenario) -> str:
    if scenario.is_rolling:
        return "all restarted in turn"
    if scenario.failures_per_hour:
        return f"each replica dies {scenario.failures_per_hour:g} times an hour"
    return "none"
