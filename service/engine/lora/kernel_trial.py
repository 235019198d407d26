"""Tries the kernel for adapters on each shape of theirs, before it is used."""

from collections.abc import Iterable

import torch

from service.engine.linears.operator_trial import works
from service.engine.lora.low_rank import AddLowRank, LowRank
from service.engine.lora.rows import Tiles, adapter_rows

_SEQUENCES = (1, 17, 2)
"""The rows of the trial: of the first adapter, of the last, which fill a tile and more, and two that use none."""


def add_tiles(
    outputs: torch.Tensor, inputs: torch.Tensor, first: torch.Tensor, second: torch.Tensor, tiles: Tiles
) -> None:
    """Adds with the kernel; see `LowRank.add_to`."""
    # Not everywhere installed: PyTorch brings Triton with CUDA only.
    from service.engine.kernels.low_rank import add_low_rank

    add_low_rank(outputs, inputs, first, second, tiles.rows, tiles.adapters)


@torch.inference_mode()
def try_kernel(
    stacks: Iterable[tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]], kernel: AddLowRank = add_tiles
) -> AddLowRank | None:
    """The kernel, if it gives for each shape what is expected; else a warning says why not.

    Args:
        stacks: Layers' matrices, as `LowRank` has them, and ranks.
        kernel: What is tried.
    """
    shapes = {(first.shape, second.shape): LowRank(first, second, ranks, kernel) for first, second, ranks in stacks}
    return kernel if all(map(_works, shapes.values())) else None


def _works(low_rank: LowRank) -> bool:
    first, second = (_random(stack.shape, seed, stack) for seed, stack in enumerate((low_rank.first, low_rank.second)))
    (num_adapters, rank, num_inputs), num_outputs = first.shape, second.shape[1]
    tried = LowRank(first, second, (rank,) * num_adapters, low_rank.kernel)
    inputs = _random((sum(_SEQUENCES), num_inputs), 2, first)
    outputs = _random((sum(_SEQUENCES), num_outputs), 3, first)

    def added(has_tiles: bool) -> torch.Tensor:
        users = zip((0, num_adapters - 1, None), _SEQUENCES, strict=True)
        rows = adapter_rows(users, first.device, has_tiles)
        assert rows is not None
        sums = outputs.clone()
        tried.add_to(sums, inputs, rows)
        return sums

    otherwise = f"adapters of {num_outputs} x {num_inputs} go without their kernel"
    return works(lambda: [added(has_tiles=True)], [added(has_tiles=False)], otherwise)


def _random(shape: tuple[int, ...], seed: int, like: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator(like.device).manual_seed(seed)
    numbers: torch.Tensor = torch.randn(shape, generator=generator, device=like.device, dtype=torch.float32)
    return numbers.div(shape[-1] ** 0.5).to(like.dtype)
