"""Where the time of a step of the compiled decoder goes: its phases, and how fast each reads what it has to read.

    python -m bench.native_step [PRECISION ...] [--sequences N] [--context TOKENS] [--new TOKENS] [--threads N]

The model is random and of the shape that bench/peers measures: 12 layers of 768, 12 heads, a vocabulary of 32,000. The
library is built once more, with clocks between the phases. A step decodes a token of each sequence, or computes a
prompt's last `--new`. Steps of all precisions take turns, with readings of memory between them; figures are medians.
What Python does around a step is not in them.
"""

import ctypes
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import click
import torch

from bench import machine
from bench.peers.workers.memory_reader import NUM_BYTES, MemoryReader
from bench.report import table
from service.engine.forward.kv_cache import KVShape, make_kv_cache
from service.engine.native.build import build, native_flags
from service.engine.native.codes import Codes, format_of_codes, packed_codes
from service.engine.native.decoder import Decoder, LayerParts, NormWeights, PackedStep, Shape
from service.engine.native.library import Library
from service.engine.native.matrix import Matrix, packed
from service.engine.progress import note_layer
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for

PHASES: Final = ("start", "norm", "qkv", "cache", "attention", "output", "gate_up", "gate", "down", "last_rows", "head")
"""`enum class Phase` of src/phases.h."""

_GROUP_SIZE: Final = 128
_NUM_LAYERS, _NUM_HEADS, _HEAD_SIZE, _HIDDEN, _INTERMEDIATE, _VOCABULARY = 12, 12, 64, 768, 2048, 32_000
_SIZES: Final = {
    "qkv": (3 * _HIDDEN, _HIDDEN),
    "output": (_HIDDEN, _HIDDEN),
    "gate_up": (2 * _INTERMEDIATE, _HIDDEN),
    "down": (_HIDDEN, _INTERMEDIATE),
}


@dataclass(frozen=True)
class Precision:
    """How weights are kept.

    Attributes:
        dtype: Of the KV cache, and of weights that are plain numbers.
        bits: Of a code of the layers' matrices; 0 for plain numbers.
        has_int8_rows: Whether what is multiplied by codes is rounded to 8 bits.
    """

    dtype: torch.dtype
    bits: int = 0
    has_int8_rows: bool = False

    def matrix(self, library: Library, outputs: int, inputs: int) -> Matrix:
        """A random matrix. 8 bits have a scale for each output; 4 bits have scales and zeros of groups, as with AWQ."""
        kind = format_of_codes(self.dtype, self.has_int8_rows)
        if not self.bits or kind is None:
            return packed(library, (torch.randn(outputs, inputs) * 0.02).to(self.dtype))
        groups = inputs // _GROUP_SIZE if self.bits == 4 else 1
        scales = torch.rand(outputs, groups).half().float() * 1e-3
        zeros = torch.randint(0, 16, (outputs, groups)) if self.bits == 4 else None
        codes = torch.randint(0, 1 << self.bits, (outputs, inputs), dtype=torch.uint8)
        return packed_codes(library, kind, Codes(codes, scales, zeros, self.bits))

    def head(self, library: Library) -> Matrix:
        """A random head; beside layers of 4 bits it has plain numbers."""
        return (Precision(self.dtype) if self.bits == 4 else self).matrix(library, _VOCABULARY, _HIDDEN)


PRECISIONS: Final = {
    "float32": Precision(torch.float32),
    "bfloat16": Precision(torch.bfloat16),
    "float16": Precision(torch.float16),
    "int8": Precision(torch.bfloat16, 8),
    "int8 by int8": Precision(torch.bfloat16, 8, has_int8_rows=True),
    "int4": Precision(torch.bfloat16, 4),
    "int4 by int8": Precision(torch.bfloat16, 4, has_int8_rows=True),
    "int8 in float32": Precision(torch.float32, 8),
    "int4 in float32": Precision(torch.float32, 4),
}


class TimedStep:
    """A decoder of random weights, and a step of it.

    Args:
        library: Built with clocks.
        precision: How its weights are kept.
        num_sequences, context, new: How many sequences, the tokens of each, and how many of these the step computes.

    Attributes:
        num_bytes: What each phase has to read.
        spent_s: What each phase took in each run.
        whole_s: What each run took.
    """

    def __init__(self, library: Library, precision: Precision, num_sequences: int, context: int, new: int) -> None:
        norm, none = NormWeights(torch.ones(_HIDDEN), 1e-5), NormWeights(None, 0.0)
        layers = []
        for _ in range(_NUM_LAYERS):
            qkv, output, gate_up, down = (precision.matrix(library, *size) for size in _SIZES.values())
            layers.append(LayerParts(qkv, output, gate_up, down, norm, none, none, norm))
        head = precision.head(library)
        shape = Shape(_NUM_HEADS, _NUM_HEADS, _HEAD_SIZE, _HEAD_SIZE // 2)
        self._decoder = Decoder(library, layers, norm, head, shape, note_layer)
        num_blocks = num_sequences * num_blocks_for(context)
        shapes = [KVShape(_NUM_HEADS, _HEAD_SIZE)] * _NUM_LAYERS
        caches = make_kv_cache(shapes, num_blocks + 1, precision.dtype, torch.device("cpu"))
        for cache in caches:
            cache.normal_()
        self._decoder.use_caches(caches)
        self._decoder.use_attention([_HEAD_SIZE**-0.5] * _NUM_LAYERS, [None] * _NUM_LAYERS)
        self._step = packed_step(num_sequences, context, new)
        self.num_bytes = {
            **{name: sum(getattr(layer, name).num_bytes for layer in layers) for name in _SIZES},
            "attention": sum(cache[:-1].nbytes for cache in caches) * context // (num_blocks_for(context) * BLOCK_SIZE),
            "head": head.num_bytes,
        }
        self.spent_s: list[list[float]] = []
        self.whole_s: list[float] = []
        self._take_phases = ctypes.CDLL(str(library.path)).runstream_take_phases

    def run(self) -> None:
        """Does the step."""
        spent = (ctypes.c_double * len(PHASES))()
        self._take_phases(spent)
        begun_at = time.perf_counter()
        self._decoder.logits(self._step)
        self.whole_s.append(time.perf_counter() - begun_at)
        self._take_phases(spent)
        self.spent_s.append(list(spent))

    def column(self, read_bytes_per_s: float) -> list[str]:
        """Microseconds of each phase and of the whole, and in brackets with how much of the bandwidth they read."""
        took_s = {name: median(spent[place] for spent in self.spent_s) for place, name in enumerate(PHASES)}
        cells = [_cell(took_s[name], self.num_bytes.get(name, 0) / read_bytes_per_s) for name in PHASES]
        return [*cells, _cell(median(self.whole_s), sum(self.num_bytes.values()) / read_bytes_per_s)]


def packed_step(num_sequences: int, context: int, new: int) -> PackedStep:
    """The last tokens of each sequence; their blocks lie in no order."""
    columns = num_blocks_for(context)
    blocks = torch.randperm(columns * num_sequences, dtype=torch.int32).view(num_sequences, columns)
    places = torch.arange(context - new, context)
    slots = blocks[:, places // BLOCK_SIZE].long() * BLOCK_SIZE + places % BLOCK_SIZE
    ends = torch.arange(new, num_sequences * new + 1, new)
    return PackedStep(
        embedded=torch.randn(num_sequences * new, _HIDDEN),
        positions=torch.zeros(num_sequences * new, dtype=torch.int64),
        rotations=torch.randn(1, 2, _HEAD_SIZE // 2),
        slots=slots.flatten().contiguous(),
        ends=ends.int(),
        lengths=torch.full((num_sequences,), context, dtype=torch.int32),
        block_table=blocks,
        last=ends - 1,
    )


def _cell(took_s: float, reading_s: float) -> str:
    return f"{took_s * 1e6:.0f}" + (f" ({reading_s / took_s:.0%})" if reading_s else "")


@click.command(help=__doc__)
@click.argument("precisions", nargs=-1, type=click.Choice([*PRECISIONS]))
@click.option("--sequences", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--context", default=160, show_default=True, type=click.IntRange(min=1), help="Tokens of each sequence.")
@click.option("--new", default=1, show_default=True, type=click.IntRange(min=1), help="Those that a step computes.")
@click.option("--steps", default=40, show_default=True, type=click.IntRange(min=1), help="After two that warm up.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Of a step.")
def main(precisions: Sequence[str], sequences: int, context: int, new: int, steps: int, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    reader, read_s = MemoryReader({}), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        library = Library(build((*native_flags(), "-DRUNSTREAM_PHASES"), Path(folder)))
        timed = {
            name: TimedStep(library, PRECISIONS[name], sequences, context, new) for name in precisions or PRECISIONS
        }
        for number in range(-2, steps):
            for step in timed.values():
                step.run()
            read_s += reader.generate([], 0)[0] if number % 8 == 0 else []
    for step in timed.values():
        del step.spent_s[:2], step.whole_s[:2]
    rate = NUM_BYTES / median(read_s)
    print(f"{machine.describe('cpu').line()}\n\nOne thread read {rate / 1e9:.1f} GB/s of memory.\n")
    columns = [step.column(rate) for step in timed.values()]
    print(table(["phase, µs", *timed], list(zip([*PHASES, "whole step"], *columns, strict=True))))


if __name__ == "__main__":
    main()
