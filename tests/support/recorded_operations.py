"""A CUDA graph's stand-in on the CPU: what torch was told to do, done again on the same memory without any Python."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
NOT_CAPTURABLE = frozenset(
    {
        _aten._local_scalar_dense.default,  # .item(), int(tensor)
        _aten.item.default,
        _aten.is_nonzero.default,  # if tensor
        _aten.lift_fresh.default,  # torch.tensor([...]), whose numbers a graph would keep
        _aten.nonzero.default,
        _aten.masked_select.default,
        _aten.equal.default,
    }
)


class _Recording(TorchDispatchMode):
    """Keeps each operation with the very tensors that it ran on, so that all of these stay where they are."""

    def __init__(self) -> None:
        super().__init__()
        self._operations: list[tuple[Any, Any, Any, list[torch.Tensor]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation in NOT_CAPTURABLE:
            raise RuntimeError(f"operation not permitted when stream is capturing: {operation}")
        result = operation(*args, **(kwargs or {}))
        self._operations.append((operation, args, kwargs or {}, _tensors(result)))
        return result

    @torch.inference_mode()
    def replay(self) -> None:
        """Runs the operations, each into the memory of its first result."""
        for operation, args, kwargs, results in self._operations:
            for result, again in zip(results, _tensors(operation(*args, **kwargs)), strict=True):
                if again.data_ptr() != result.data_ptr():  # neither a view nor in place
                    result.copy_(again)


class RecordedOperations:
    """Captures as CUDA graphs do, and refuses what they refuse.

    Attributes:
        num_captured, num_replayed: How often each was done.
    """

    def __init__(self) -> None:
        self.num_captured = self.num_replayed = 0

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        run()  # what is made lazily is there then, as after a warm-up
        with _Recording() as recording:
            run()
        self.num_captured += 1

        def replay() -> None:
            self.num_replayed += 1
            recording.replay()

        return replay

    def free_bytes(self) -> int:
        """As if each capture took a MiB."""
        return (1 << 30) - (self.num_captured << 20)


def _tensors(result: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
