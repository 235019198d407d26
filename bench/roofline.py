"""How near to what the hardware allows: bytes and operations counted from a model's sizes, beside what was measured.

    python -m bench.roofline FILE

prints the table of a file that `python -m bench.gpu --json FILE` wrote. A decoding step must read each weight and each
sequence's keys and values once, so its floor is these bytes by the memory's bandwidth; a prefill must multiply, so its
floor is operations by the rate of matrix products. Both count every parameter, although a step reads only some rows of
the embeddings (2 % of Llama 2, 7 % of Llama 3.1), and neither counts attention's own operations.
"""

import argparse
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.gpu.cases import CASES, Case, Kind, ModelShape, Weights
from bench.report import table

_GROUP_SIZE = 128
_BYTES_PER_NUMBER = 2


@dataclass(frozen=True)
class Rates:
    """What a card moves and multiplies.

    Attributes:
        bytes_per_s: Of device memory, read and written together.
        flops: Dense products of 16-bit numbers, in operations per second; None where nothing is known.
    """

    bytes_per_s: float
    flops: float | None = None


DATASHEETS: Mapping[str, Rates] = {
    # The product's rate is one that was measured on random data, not the datasheet's.
    "H200": Rates(4.8e12, 790e12),
    "H100 80GB HBM3": Rates(3.35e12),
    "A100-SXM4-80GB": Rates(2.04e12),
    "RTX 4090": Rates(1.01e12),
}
"""By a part of the name that CUDA gives the card."""


@dataclass(frozen=True)
class Measurement:
    """What came of a case, one way.

    Attributes:
        case: Its name.
        way: The accelerations that were on, or "plain".
        values: What `Case.kind` says, of each repetition; empty if there are none.
        note: Why there are none, or what else to know.
    """

    case: str
    way: str
    values: list[float]
    note: str = ""


def datasheet(device_name: str) -> Rates | None:
    """The rates of a known card."""
    return next((rates for part, rates in DATASHEETS.items() if part in device_name), None)


def weight_bytes(shape: ModelShape, weights: Weights) -> float:
    """What a step reads of the weights. Of AWQ's formats the embeddings and the head stay in 16 bits."""
    match weights:
        case Weights.INT8:
            return shape.num_parameters
        case Weights.AWQ:
            bits = 4 + (16 + 4) / _GROUP_SIZE
            return shape.num_layer_weights * bits / 8 + shape.num_other_weights * _BYTES_PER_NUMBER
        case _:
            return shape.num_parameters * _BYTES_PER_NUMBER


def kv_bytes_per_token(shape: ModelShape) -> int:
    """Keys and values of a token in all layers."""
    return 2 * shape.num_layers * shape.num_kv_heads * shape.head_size * _BYTES_PER_NUMBER


def floor_s(case: Case, rates: Rates) -> float | None:
    """The least time that a case can take; None where that is not known."""
    if case.kind is Kind.DECODE:
        num_kv_tokens = case.num_sequences * case.num_tokens
        num_bytes = weight_bytes(case.shape, case.weights) + num_kv_tokens * kv_bytes_per_token(case.shape)
        return num_bytes / rates.bytes_per_s
    if case.kind is Kind.PREFILL and rates.flops is not None:
        return 2 * case.shape.num_parameters * case.num_sequences * case.num_tokens / rates.flops
    return None


def is_met(case: Case, value: float, floor: float | None, other: float | None) -> bool | None:
    """Whether a value reaches its case's goal; None if there is none, or nothing to compare with.

    Args:
        case: The case.
        value: Its median.
        floor: The floor to hold it against, in seconds.
        other: The best median of the case that the goal names.
    """
    goal = case.goal
    if goal.share_of_floor:
        return None if floor is None else floor / value >= goal.share_of_floor
    if other is None:
        return None
    if goal.times:
        return _times(case, value, other) >= goal.times
    return value <= other + goal.seconds_above


def _times(case: Case, value: float, other: float) -> float:
    """How many times as fast as the other."""
    return value / other if case.is_rate else other / value


def best(case: Case, measurements: Iterable[Measurement]) -> float | None:
    """The best median of a case over all ways."""
    medians = [statistics.median(found.values) for found in measurements if found.case == case.name and found.values]
    if not medians:
        return None
    return max(medians) if case.is_rate else min(medians)


HEADINGS = ("what", "way", "measured", "tokens/s", "floor", "ratio", "floor, ceiling", "ratio", "goal", "met")


def lines(
    cases: Sequence[Case], measurements: Sequence[Measurement], device_name: str, ceilings: Rates | None
) -> list[list[str]]:
    """The rows of the table under `HEADINGS`.

    Args:
        cases: In the order of the table.
        measurements: What came of them; a case without any has a row that says so.
        device_name: The card's, for its datasheet.
        ceilings: What was measured of it in the same run, if that was.
    """
    named = {case.name: case for case in cases}
    rows = []
    for case in cases:
        other = named.get(case.goal.other)
        for found in [one for one in measurements if one.case == case.name] or [Measurement(case.name, "", [])]:
            counted = [one for one in measurements if not case.is_served or one.way == found.way]
            best_other = None if other is None else best(other, counted)
            rows.append(_line(case, found, (datasheet(device_name), ceilings), best_other))
    return rows


def _line(case: Case, found: Measurement, rates: tuple[Rates | None, Rates | None], other: float | None) -> list[str]:
    floors = [None if known is None else floor_s(case, known) for known in rates]
    if not found.values:
        cells = [cell for floor in floors for cell in (_ms(floor), "")]
        return [case.name, found.way, found.note or "not measured", "", *cells, str(case.goal), ""]
    value = statistics.median(found.values)
    shares = ["" if floor is None else f"{floor / value:.2f}" for floor in floors]
    if case.goal.times and other is not None:
        shares[0] = f"{_times(case, value, other):.2f} times"
    met = is_met(case, value, floors[0] if floors[0] is not None else floors[1], other)
    cells = [cell for floor, share in zip(floors, shares, strict=True) for cell in (_ms(floor), share)]
    words = {None: "", True: "yes", False: "no"}
    note = f" ({found.note})" if found.note else ""
    measured = "" if case.is_rate else _ms(value)
    return [case.name, found.way, measured + note, _tokens_per_s(case, value), *cells, str(case.goal), words[met]]


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.2f} ms"


def _tokens_per_s(case: Case, value: float) -> str:
    match case.kind:
        case Kind.DECODE:
            return f"{case.num_sequences / value:,.0f}"
        case Kind.PREFILL:
            return f"{case.num_sequences * case.num_tokens / value:,.0f}"
        case Kind.LATENCY:
            return ""
    return f"{value:,.0f}"


def to_json(found: Mapping[str, Any], measurements: Sequence[Measurement]) -> str:
    """What `read` reads."""
    return json.dumps({**found, "measurements": [asdict(one) for one in measurements]}, indent=1, default=str)


def markdown(found: Mapping[str, Any], measurements: Sequence[Measurement]) -> str:
    """The run's machine and its table.

    Args:
        found: With "machine", a line of text; "device_name"; "is_tiny"; and, once measured, "ceilings", the fields of a
            `Rates`.
        measurements: What came of the cases.
    """
    cases = [case.shrunk() for case in CASES] if found["is_tiny"] else CASES
    ceilings = Rates(**found["ceilings"]) if found.get("ceilings") else None
    blocks = [found["machine"]]
    if found["is_tiny"]:
        blocks.append("**Tiny shapes: this shows that the benchmark runs, and no speed.**")
    if ceilings is not None:
        products = (
            f", products of 8,192 x 8,192 in 16 bits {ceilings.flops / 1e12:.1f} TFLOP/s" if ceilings.flops else ""
        )
        blocks.append(f"Measured ceilings: copy {ceilings.bytes_per_s / 1e12:.3f} TB/s, read and written{products}.")
    return "\n\n".join([*blocks, table(HEADINGS, lines(cases, measurements, found["device_name"], ceilings))])


def kept_table(found: Any, part: str = "") -> str:
    """The Markdown of what a run or a visit wrote, as JSON's values; it has one part."""
    return markdown(found, [Measurement(**one) for one in found["measurements"]])


def main(arguments: list[str] | None = None) -> None:
    """Prints the table of a file."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.roofline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="what python -m bench.gpu --json or a visit wrote")
    print(kept_table(json.loads(parser.parse_args(arguments).file.read_text())))


if __name__ == "__main__":
    main()
