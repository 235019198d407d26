"""What a visit has found, as text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bench import roofline
from bench.gpu.visit.state import State
from service.engine_protocol.choices import TrialOutcome, Tried, table


def report(state: State) -> str:
    """All of it: parts, packages that are missing, tests, ways, the table, profiles."""
    found = state.found
    blocks = [
        "\n".join(f"{one['name']}: {one['outcome']} in {one['seconds']} s {one['detail']}" for one in found["parts"]),
        *(_missing(one) for one in found["environments"][-1:]),
        "\n".join(_tests(found["tests"])),
        "\n".join(table([_tried(one) for one in found["ways"]]) if found["ways"] else []),
        roofline.markdown(found, state.measurements),
        *("\n".join(_profile(one)) for one in found["profiles"]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _missing(environment: Mapping[str, Any]) -> str:
    lines = [
        f"missing for {needs}: {', '.join(reasons)}" for needs, reasons in environment["missing"].items() if reasons
    ]
    return "\n".join(lines or ["no package is missing"])


def _tests(tests: list[dict[str, Any]]) -> Iterator[str]:
    counts = Counter(one["outcome"] for one in tests)
    if counts:
        yield "tests: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    for one in tests:
        if one["outcome"] not in ("passed", "skipped"):
            yield f"  {one['outcome']}: {one['name']} after {one['seconds']} s: {one['detail']}"


def _tried(one: Mapping[str, Any]) -> Tried:
    times_us = tuple((int(rows), float(time_us)) for rows, time_us in one["times_us"])
    return Tried(one["what"], one["way"], TrialOutcome(one["outcome"]), one["detail"], times_us)


def _profile(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"a step of {one['case']}, {one['way']}: {one['num_kernels']} kernels, {one['span_us']} us from the first to"
    yield f"the last, {one['busy_us']} us busy, {one['gaps_us']} us in {one['num_gaps']} gaps"
    for row in one["kernels"]:
        yield f"  {row['us']:10.1f} us  {row['calls']:7.1f} calls  {row['name']}"
    for gap in one["longest_gaps"]:
        yield f"  {gap['us']:10.1f} us  gap after {gap['after']}, before {gap['before']}"
