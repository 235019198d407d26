"""A loaded model's way from its mapped files to its device, with a bar that tells how fast it goes."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from service.checkpoints.headers import read_weights
from service.engine.device import is_cpu
from service.engine.native.memory import let_go
from service.engine.progress import tell_progress

_PAGE_BYTES = 4096
_SHOWN_AFTER_S = 1.0  # a toy is there before anybody would look


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types here
    def update(self, n: float = 1) -> Any:
        shown = super().update(n)
        if not self.disable:  # by TQDM_DISABLE, which leaves it without a count
            tell_progress(self.desc, int(self.n), int(self.total))
        return shown


@contextmanager
def conversion_shown(checkpoint: Path, shown_after_s: float = _SHOWN_AFTER_S) -> Iterator[None]:
    """Shows transformers' own pass over the weights, which takes long only where they are converted or quantized.

    Args:
        checkpoint: The folder whose model is loaded.
        shown_after_s: When the bar appears, in seconds.

    Raises:
        CheckpointError: A weights file can't be read.
        OSError: The same.
    """
    sizes = {name: weight.size_bytes for name, weight in read_weights(checkpoint).items()}

    def counted(items: Iterable[Any]) -> Iterator[Any]:
        with _bar("reading", sum(sizes.values()), shown_after_s) as bar:
            for item in items:
                yield item
                bar.update(sizes.get(item[0], 0))

    def hook(make_bar: Callable[..., Any], arguments: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        return counted(arguments[0]) if arguments else make_bar(**settings)

    previous = transformers_logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(previous)


def place(model: PreTrainedModel, device: str, shown_after_s: float = _SHOWN_AFTER_S) -> None:
    """Moves a model to its device, each module straight from the files that its weights are mapped to.

    Weights that stay where they are mapped are read once, or the first request would wait for the disk. They are in the
    host's page cache then, and in this process's memory when they are used.

    Args:
        model: The model.
        device: "cpu", "cuda", "cuda:1", ...
        shown_after_s: When the bar appears, in seconds.
    """
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    with _bar("loading", sum(tensor.nbytes for tensor in tensors.values()), shown_after_s) as bar:
        for module in model.modules():
            if any(True for _ in module.children()):
                continue
            own = [tensors.pop(id(tensor)) for tensor in _tensors_of(module) if id(tensor) in tensors]
            module.to(device)
            for tensor in own:
                _touch(tensor)
                bar.update(tensor.nbytes)
        model.to(device)  # type: ignore[arg-type]  # transformers wraps Module.to without its overloads


def _bar(what: str, num_bytes: int, shown_after_s: float) -> Any:
    return _Bar(desc=what, total=num_bytes, unit="B", unit_scale=True, delay=shown_after_s)


def _tensors_of(module: torch.nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _touch(tensor: torch.Tensor) -> None:
    if is_cpu(tensor.device) and tensor.is_contiguous() and tensor.numel():
        tensor.detach().reshape(-1).view(torch.uint8)[::_PAGE_BYTES].max()
        let_go(tensor)
