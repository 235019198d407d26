"""What the card really moves and multiplies, measured in the run that the ratios are of."""

import statistics
import time
from collections.abc import Callable

import torch

from bench.roofline import Rates
from service.engine.device import use_device

_NUM_ROUNDS = 20
_NUM_WARM_UP_ROUNDS = 3
_COPY_BYTES = 2 << 30
_PRODUCT_SIZE = 8192


def measure_ceilings(device: str, is_tiny: bool = False) -> Rates:
    """A copy within the device's memory, and a square product of random bfloat16 matrices."""
    use_device(device)  # events are the current device's
    num_bytes, size = (1 << 20, 128) if is_tiny else (_COPY_BYTES, _PRODUCT_SIZE)
    source = torch.randint(256, (num_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy_s = median_s(device, lambda: target.copy_(source))
    a, b = (torch.randn((size, size), device=device, dtype=torch.bfloat16) for _ in range(2))
    product_s = median_s(device, lambda: a @ b)
    return Rates(2 * num_bytes / copy_s, 2 * size**3 / product_s)


def median_s(device: str, run: Callable[[], object]) -> float:
    """The median time of something on the device, by CUDA's events there and by the clock elsewhere."""
    timed_s = _timed_on_cuda_s if device.startswith("cuda") else _timed_s
    return statistics.median([timed_s(run) for _ in range(_NUM_WARM_UP_ROUNDS + _NUM_ROUNDS)][_NUM_WARM_UP_ROUNDS:])


def _timed_on_cuda_s(run: Callable[[], object]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def _timed_s(run: Callable[[], object]) -> float:
    begun_at = time.perf_counter()
    run()
    return time.perf_counter() - begun_at
