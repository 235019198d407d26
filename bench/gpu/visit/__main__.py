"""A visit to a borrowed GPU, in calls of some minutes: bench/gpu/visit.sh [FOLDER] [--state FILE]

    bench/gpu/visit.sh found                              # the first call
    bench/gpu/visit.sh found --state found/state.json     # the second, on a fresh machine too
    bench/gpu/visit.sh found --tiny                       # a rehearsal on a CPU

Runs the tests of tests/gpu, measures Llama-3.1-8B plain and with what trials choose, profiles a decoding step, and then
what else docs/benchmarks.md has a row for. Each part is a process with a limit: one that hangs or crashes ends alone.
After each result the folder is whole: state.json, visit.txt, log.txt and tests.txt, of a few MiB at most.
`python -m bench.roofline FOLDER/state.json` prints the table.
"""

import argparse
import faulthandler
import os
import sys
from pathlib import Path

from bench.gpu.visit.calls import Call, Part
from bench.gpu.visit.parts import Parts
from bench.gpu.visit.state import State

_LIMIT_S = 400.0
_SPARE_S = 20.0
"""After its time a call is ended from outside, even where a process can't be."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="bench/gpu/visit.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="where what comes back is written; by default $OUT")
    parser.add_argument(
        "--state", type=Path, help="the earlier call's state.json; by default the folder's, if it has one"
    )
    parser.add_argument("--limit-s", type=float, default=_LIMIT_S, help="when the call ends (%(default)g)")
    parser.add_argument("--until", default="", metavar="PART", help="the last part to begin")
    parser.add_argument("--device", default="", help="cuda; with --tiny cpu")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU, to see that it runs")
    options = parser.parse_args(arguments)
    options.device = options.device or ("cpu" if options.tiny else "cuda")
    if options.device == "cpu" and not options.tiny:
        parser.error("full-size models take hours on a CPU: add --tiny")
    if options.folder is None:
        if not os.environ.get("OUT"):
            parser.error("name the folder for what is found")
        options.folder = Path(os.environ["OUT"])
    return options


def state_of(options: argparse.Namespace) -> State:
    """What was found before, or nothing."""
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.state or options.folder / "state.json"
    before = file.read_text() if options.state or file.exists() else ""
    return State(options.folder.resolve(), options.tiny, before)


def until(parts: list[Part], last: str) -> list[Part]:
    """The parts up to one; all without a name.

    Raises:
        ValueError: There is no such part.
    """
    names = [part.name for part in parts]
    return parts[: names.index(last) + 1] if last else parts


def main(arguments: list[str] | None = None) -> None:
    """Makes a call."""
    options = parse(arguments)
    faulthandler.dump_traceback_later(options.limit_s + _SPARE_S, exit=True)
    try:
        state = state_of(options)
        parts = until(Parts(options.device, options.tiny, options.folder.resolve()).all(), options.until)
    except (OSError, ValueError) as error:
        sys.exit(f"{error}")
    Call(state, options.folder.resolve(), options.limit_s).run(parts)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
