"""The CPU engine beside llama.cpp, CTranslate2, OpenVINO and transformers: same weights, one core, one thread.

    python -m bench.peers [PRECISION ...] [--rounds N] [--only TEXT] [--json FILE]

Precisions are float32, 16bit, int8 and int4; all of them unless some are named. Peers are installed from PyPI, each
into a venv of its own, and the weights of a random Llama of 110 million parameters are converted for each, all once.
A peer that can't be had is a row that says why. `--prepare` does only that.

Each engine is a process on --core with one thread, before all others there if the system allows real-time priority. In
every round each has its turn; the tables give medians, and ratios are those of the same rounds. `decode 1` is one
sequence after a prompt of 128 tokens, `decode 16` are 16 after prompts of 32, while all of them decode; `16 whole` has
their prompts in it. What one thread reads from memory is measured in each round, too: decoding one sequence can't be
faster than the weights are read. Then this server answers over HTTP beside llama.cpp's own, all processes of each on
that core. What is printed is Markdown, as docs/benchmarks.md has it. Linux only.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench import machine
from bench.peers.checkpoint import num_weights
from bench.peers.contestants import CONTESTANTS, PRECISIONS, Contestant
from bench.peers.environments import ROOT, default_cache, pinned_version
from bench.peers.report import precision_report, served_title_of
from bench.peers.rounds import Setup, measure, prepare
from bench.peers.served import measure_served, servers_of
from bench.peers.tables import served_tables
from bench.peers.weights import PLAIN, Cache
from bench.report import Report

_VERSIONS = {
    "llama_cpp": ("llama.cpp as xllamacpp", "xllamacpp"),
    "ctranslate2": ("CTranslate2", "ctranslate2"),
    "openvino": ("OpenVINO GenAI", "openvino-genai"),
}


def versions_line() -> str:
    """The peers and their versions."""
    return ", ".join(f"{name} {pinned_version(*place)}" for name, place in _peer_packages().items())


def _peer_packages() -> dict[str, tuple[str, str]]:
    return {name: (environment, package) for environment, (name, package) in _VERSIONS.items()}


def last_core() -> int:
    """The last core that this process may use: interrupts tend to come to the first."""
    return max(os.sched_getaffinity(0))


@click.command(help=__doc__)
@click.argument("precisions", nargs=-1, type=click.Choice(PRECISIONS))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="After one that warms up.")
@click.option("--core", default=last_core, type=click.IntRange(min=0), help="Where engines run; the last one.")
@click.option("--only", multiple=True, metavar="TEXT", help="Only engines with this in their name; may be repeated.")
@click.option("--http/--no-http", "has_http", default=True, show_default=True, help="Measure the servers, too.")
@click.option("--prepare", "only_prepares", is_flag=True, help="Only install peers and convert weights.")
@click.option("--checkout", default=ROOT, type=click.Path(path_type=Path), help="Whose engine is measured; this one's.")
@click.option("--cache", default=default_cache(), type=click.Path(path_type=Path), show_default=True, help="A folder.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Where to write the figures of all rounds.")
def main(
    precisions: tuple[str, ...],
    rounds: int,
    core: int,
    only: tuple[str, ...],
    has_http: bool,
    only_prepares: bool,
    checkout: Path,
    cache: Path,
    json_file: Path | None,
) -> None:
    setup = Setup(Cache(cache), checkout.absolute(), core, rounds)
    chosen = [
        contestant
        for contestant in CONTESTANTS
        if contestant.precision in (precisions or PRECISIONS)
        and (not only or any(text in contestant.name for text in only))
    ]
    prepare(chosen, setup)
    if not only_prepares:
        report_all(chosen, setup, has_http, json_file)


def report_all(chosen: Sequence[Contestant], setup: Setup, has_http: bool, json_file: Path | None) -> None:
    """Measures one precision after the other, and prints what came of each."""
    host = machine.describe("cpu")
    print(f"{host.line()}; {versions_line()}\n\n{', '.join(machine.instruction_sets())}\n", flush=True)
    sizes = num_weights(setup.cache.weights(PLAIN))
    found: dict[str, Any] = {
        "machine": asdict(host),
        "instruction_sets": machine.instruction_sets(),
        "num_weights": sizes,
    }
    for precision in dict.fromkeys(contestant.precision for contestant in chosen):
        contestants = [contestant for contestant in chosen if contestant.precision == precision]
        reports = [precision_report(precision, contestants, measure(contestants, setup), sizes)]
        if has_http and (servers := servers_of(contestants)):
            figures = measure_served(*servers, setup)
            reports.append(Report(served_title_of(precision), "", served_tables(figures), asdict(figures)))
        for report in reports:
            # The engines' own processes are others, so only the load average tells of a machine that is not quiet.
            print(f"{report.markdown(machine.warning(host.load_average[0]))}\n", flush=True)
            found[report.title] = report.figures
    if json_file:
        json_file.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
