"""Ranks of a tensor-parallel model that are threads of one process."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


class ThreadRanks:
    """What one thread sees of a group of them.

    Args:
        rank: Which it is.
        slots: Where each thread of the group puts its tensor.
        barrier: Where they wait for each other.
    """

    def __init__(self, rank: int, slots: list[torch.Tensor], barrier: threading.Barrier) -> None:
        self.rank, self.world_size = rank, len(slots)
        self._slots, self._barrier = slots, barrier

    def all_reduce(self, tensor: torch.Tensor) -> None:
        tensor.copy_(torch.stack(self._exchange(tensor)).sum(dim=0))

    def all_reduce_min(self, number: int) -> int:
        return min(int(other) for other in self._exchange(torch.tensor(number)))

    def all_gather(self, tensor: torch.Tensor) -> torch.Tensor:
        return torch.cat(self._exchange(tensor), dim=-1)

    def _exchange(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        self._slots[self.rank] = tensor.clone()
        self._barrier.wait()
        tensors = list(self._slots)
        self._barrier.wait()
        return tensors


def in_ranks(size: int, body: Callable[[ThreadRanks], T]) -> list[T]:
    """Runs `body` once for each rank of a group, all at once."""
    slots, barrier = [torch.empty(0)] * size, threading.Barrier(size)

    def run(rank: int) -> T:
        try:
            return body(ThreadRanks(rank, slots, barrier))
        except BaseException:
            barrier.abort()  # or the others would wait for ever
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, rank) for rank in range(size)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return [future.result() for future in futures]
