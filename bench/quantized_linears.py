"""Products with packed weights of 8 and 4 bits: the engine's kernels beside what else computes them.

    python -m bench.quantized_linears [--dtype bfloat16] [--json FILE]
    python -m bench.quantized_linears --tiny --device cpu

For the layers of Llama 2 7B and Llama 3.1 8B and 1 to 512 rows: the time of the Triton kernel, of unpacking and
multiplying, of PyTorch's kernel for packed weights where that works, and of the same product with plain weights. On
CUDA it times replays of graphs with events, the cache overwritten before each; on a CPU, where the kernel is
interpreted, it only shows that it runs. Weights and inputs are random.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from bench import machine
from bench.gpu.ceilings import measure_ceilings
from bench.gpu.models import random_int8
from bench.report import Report, table
from service.engine.device import NoDeviceError, use_device
from service.engine.linears.grouped_weights import GroupedWeights
from service.engine.linears.kernel_trials import ALL_ROW_COUNTS, Layer, Timer, cuda_timer, make_product
from service.engine.linears.quantized import GroupedLinear, Kernel
from service.engine.linears.tinygemm import Int4KernelLinear, int4_kernel_works

_SHAPES = {
    "Llama 2 7B query, key, value": (12288, 4096),
    "Llama 2 7B gate, up": (22016, 4096),
    "Llama 2 7B down": (4096, 11008),
    "both, output": (4096, 4096),
    "Llama 3.1 8B query, key, value": (6144, 4096),
    "Llama 3.1 8B gate, up": (28672, 4096),
    "Llama 3.1 8B down": (4096, 14336),
}
_TINY_SHAPES = {"tiny": (64, 256)}
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TINY_ROWS = (1, 2, 128)
_GROUP_SIZE = 128
_FORMATS = ("int8", "int4")
_WAYS = ("kernel", "unpacked", "PyTorch's kernel", "plain weights")


@dataclass(frozen=True)
class Product:
    """What one product took.

    Attributes:
        name: Whose layer it is.
        packed_bytes: Weights, scales and zeros together.
        times_ms: By way; a way that does not do it is not there.
    """

    name: str
    outputs: int
    inputs: int
    format: str
    rows: int
    packed_bytes: int
    times_ms: dict[str, float]

    def cells(self, copy_bytes_per_s: float) -> list[str]:
        """Its row in the table."""
        times = [f"{self.times_ms[way]:.4f}" if way in self.times_ms else "" for way in _WAYS]
        rate = self.packed_bytes / (self.times_ms["kernel"] / 1e3) if "kernel" in self.times_ms else 0.0
        shares = [f"{rate / 1e9:.3g}", f"{rate / copy_bytes_per_s:.2f}"] if rate else ["", ""]
        return [self.name, f"{self.outputs} x {self.inputs}", self.format, str(self.rows), *times, *shares]


def run(device: str, dtype: torch.dtype, is_tiny: bool) -> Report:
    """Measures all layers."""
    shapes, counts = (_TINY_SHAPES, _TINY_ROWS) if is_tiny else (_SHAPES, _ROWS)
    timer = cuda_timer() if device.startswith("cuda") else _cpu_time_ms
    copied = measure_ceilings(device, is_tiny).bytes_per_s
    products = [
        product
        for name, shape in shapes.items()
        for kind in _FORMATS
        for product in _measure_layer(name, *shape, kind, dtype, device, counts, timer)
    ]
    note = (
        f"In {str(dtype).removeprefix('torch.')}, groups of {_GROUP_SIZE}; times in ms. GB/s are the kernel's, of "
        f"weights, scales and zeros; their share is of the {copied / 1e9:.3g} GB/s that a copy moves."
    )
    headings = ["layer", "outputs x inputs", "weights", "rows", *_WAYS, "GB/s", "share"]
    rows = [product.cells(copied) for product in products]
    figures = {"copy_bytes_per_s": copied, "products": [asdict(product) for product in products]}
    return Report("Products with packed weights", note, [table(headings, rows)], figures)


@torch.inference_mode()
def _measure_layer(
    name: str,
    outputs: int,
    inputs: int,
    kind: str,
    dtype: torch.dtype,
    device: str,
    counts: tuple[int, ...],
    timer: Timer,
) -> list[Product]:
    with torch.device(device):
        torch.manual_seed(0)
        layer, packed_by_torch = (
            _random_int8(outputs, inputs, dtype) if kind == "int8" else _random_int4(outputs, inputs, dtype)
        )
        plain = torch.randn((outputs, inputs), dtype=dtype)
        multiply = make_product(layer)
        assert multiply is not None
        packed_bytes = sum(buffer.nbytes for buffer in layer.buffers())
        products = []
        for count in counts:
            rows = torch.randn((count, inputs), dtype=dtype)
            calls: dict[str, Callable[[], object]] = {
                "unpacked": partial(_unpacked_product, layer, rows),
                "plain weights": partial(linear, rows, plain),
            }
            if packed_by_torch is not None:
                calls["PyTorch's kernel"] = partial(packed_by_torch, rows)
            times_ms = {way: timer(call) for way, call in calls.items()}
            if count in ALL_ROW_COUNTS:
                layer.kernel = Kernel(multiply, ALL_ROW_COUNTS)
                times_ms["kernel"] = timer(partial(layer, rows))
                layer.kernel = None
            products.append(Product(name, outputs, inputs, kind, count, packed_bytes, times_ms))
    return products


def _unpacked_product(layer: Layer, rows: torch.Tensor) -> torch.Tensor:
    return linear(rows, layer.dequantized(rows.dtype))


def _random_int8(outputs: int, inputs: int, dtype: torch.dtype) -> tuple[Layer, Callable[..., torch.Tensor] | None]:
    """The layer, and PyTorch's product with the same weights if there is one."""
    layer = random_int8(outputs, inputs, dtype)

    def multiply(rows: torch.Tensor) -> torch.Tensor:
        return torch._weight_int8pack_mm(rows, layer.weight, layer.scale.flatten())

    return layer, multiply if layer.can_use_torch_kernel() else None


def _random_int4(outputs: int, inputs: int, dtype: torch.dtype) -> tuple[Layer, Callable[..., torch.Tensor] | None]:
    """As `_random_int8`."""
    shape = (outputs, inputs // _GROUP_SIZE)
    codes, zeros = (torch.randint(16, size, dtype=torch.uint8) for size in ((outputs, inputs), shape))
    scales = torch.rand(shape) + 0.5
    weights = GroupedWeights(codes, scales, zeros, 4)
    layer = GroupedLinear(weights, dtype)
    if not int4_kernel_works(codes.device, dtype, inputs, outputs, _GROUP_SIZE):
        return layer, None
    torchs: nn.Module = Int4KernelLinear(weights)
    return layer, torchs


def _cpu_time_ms(call: Callable[[], object]) -> float:
    def once_ms() -> float:
        begun_at = time.perf_counter()
        call()
        return (time.perf_counter() - begun_at) * 1e3

    return statistics.median(once_ms() for _ in range(3))


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quantized_linears",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ...; cpu only with --tiny")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16"], help="of what is multiplied")
    parser.add_argument("--tiny", action="store_true", help="a tiny layer, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures")
    options = parser.parse_args(arguments)
    if options.device == "cpu":
        if not options.tiny:
            parser.error("the kernels are for CUDA: add --tiny")
        os.environ.setdefault("TRITON_INTERPRET", "1")
    try:
        use_device(options.device)
    except NoDeviceError as error:
        sys.exit(f"{error}; --tiny --device cpu tries the benchmark itself")
    report = run(options.device, getattr(torch, options.dtype), options.tiny)
    host = machine.describe(options.device)
    print(f"{host.line()}\n\n{report.markdown('')}")
    if options.json:
        found: dict[str, Any] = {"machine": asdict(host)} | report.figures
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
