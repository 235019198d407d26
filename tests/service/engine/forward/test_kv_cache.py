"""The memory of the KV cache."""

import sys
from pathlib import Path

import pytest
import torch

from service.engine.forward.kv_cache import KVShape, bytes_per_block, make_kv_cache

CPU = torch.device("cpu")


def resident_pages() -> int:
    """The pages of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_layer_has_zeros_of_its_own(dtype: torch.dtype) -> None:
    shapes = [KVShape(2, 8), KVShape(1, 24)]
    layers = make_kv_cache(shapes, 3, dtype, CPU)
    assert [(tuple(layer.shape), layer.dtype) for layer in layers] == [((3, 16, 4, 8), dtype), ((3, 16, 2, 24), dtype)]
    assert sum(layer.nbytes for layer in layers) == 3 * bytes_per_block(shapes, dtype)
    layers[0].fill_(1)
    assert not layers[1].any()


@pytest.mark.skipif(sys.platform != "linux", reason="reads proc(5)")
def test_blocks_take_no_memory_before_they_are_written() -> None:
    before = resident_pages()
    layers = make_kv_cache([KVShape(8, 64)] * 4, 1024, torch.float32, CPU)
    layers[0][:32].fill_(1)
    taken_bytes = (resident_pages() - before) * 4096
    assert taken_bytes < sum(layer.nbytes for layer in layers) / 4
