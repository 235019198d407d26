"""The engine on its own and beside transformers, on the same weights, in one run.

    python -m bench.engine [PART ...] [--rounds N] [--json FILE]

Parts, all of them unless some are named:

    batch     16 prompts at once: `generate`, `generate_batch`, the engine
    mixed     64 requests of all lengths that arrive over time: `generate_batch` and the engine
    prefix    32 requests that share a prefix of 400 tokens: with the prefix cache and without it
    scaling   1 to 256 sequences: what a step costs
    overhead  scheduler, sampler and pipe beside a model of 100 million parameters

Rounds are interleaved, so that a slow moment of the machine falls on all; tables give medians, and ratios are the
medians of the rounds' ratios. All is greedy unless it says otherwise and ends with the last token asked for, and no run
finds in the prefix cache what another one left there. What is printed is Markdown, as docs/benchmarks.md has it.

It needs torch and transformers, and psutil where the peer computes on the CPU. There the peer takes over half of the
machine's memory when it runs as in a plain script; `--peer tuned` leaves that out.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from bench import machine
from bench.engine import batch, overhead, prefix
from bench.engine import mixed as engine_mixed
from bench.engine import scaling as engine_scaling
from bench.engine.load import Setup
from bench.engine.peer import PEERS
from bench.report import Report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options; without click, which a machine that only has torch and transformers lacks."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="which parts")
    parser.add_argument("--checkpoint", type=Path, default=Setup.checkpoint, help="a folder; the demo model's")
    parser.add_argument("--device", default=Setup.device, help="cpu, cuda, ...")
    parser.add_argument("--dtype", default=Setup.dtype, help="a torch dtype, or auto for the checkpoint's own")
    parser.add_argument("--kv-cache-memory-mib", type=int, default=Setup.kv_cache_memory_mib, help="the engine's")
    parser.add_argument("--num-threads", type=int, default=1, help="of a tensor operation on the CPU, on all sides")
    parser.add_argument("--rounds", type=int, default=Setup.rounds, help="after one that warms up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures of every round")
    peer_names = ", ".join(f'"{peer}"' for peer in PEERS)
    parser.add_argument("--peer", action="append", choices=PEERS, metavar="WAY", help=f"only this peer: {peer_names}")
    mixed = parser.add_argument_group("mixed")
    mixed.add_argument("--requests", type=int, default=64)
    mixed.add_argument("--prompt-tokens", type=_bounds, default=(16, 512), metavar="MIN-MAX")
    mixed.add_argument("--new-tokens", type=_bounds, default=(16, 256), metavar="MIN-MAX")
    mixed.add_argument("--span-s", type=float, help="within which they arrive; half the time that the engine needs")
    scaling = parser.add_argument_group("scaling")
    scaling.add_argument("--sequences", type=_counts, default=[1, 4, 16, 64, 256], metavar="N,N,...")
    return parser.parse_args(arguments)


def _bounds(text: str) -> tuple[int, int]:
    least, most = (int(part) for part in text.split("-"))
    if not 1 <= least <= most:
        raise argparse.ArgumentTypeError(f"{text} is not MIN-MAX with 1 <= MIN <= MAX")
    return least, most


def _counts(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    setup = Setup(options.checkpoint, options.device, options.dtype, options.kv_cache_memory_mib, options.rounds)
    peers = tuple(options.peer or PEERS)
    mixed = partial(engine_mixed.run, setup, peers, options.requests, options.prompt_tokens, options.new_tokens)
    parts: dict[str, Callable[[], Report]] = {
        "batch": partial(batch.run, setup, peers),
        "mixed": partial(mixed, options.span_s),
        "prefix": partial(prefix.run, setup),
        "scaling": partial(engine_scaling.run, setup, options.sequences),
        "overhead": partial(overhead.run, setup),
    }
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        sys.exit(f"unknown part {unknown[0]}: there are {', '.join(parts)}")
    torch.set_num_threads(options.num_threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    host = machine.describe(options.device)
    print(f"{host.line()}\n")
    found: dict[str, Any] = {"machine": asdict(host), "options": vars(options), "parts": {}}
    for name in options.parts or parts:
        watch = machine.Watch()
        report = parts[name]()
        cores_of_others = watch.cores_of_others()
        warning = machine.warning(host.load_average[0], cores_of_others)
        print(f"{report.markdown(warning)}\n", flush=True)
        found["parts"][name] = {"cores_of_others": cores_of_others, "warning": warning} | report.figures
        if options.json:
            options.json.write_text(json.dumps(found, indent=1, default=str))


if __name__ == "__main__":
    main()
