"""The table of `python -m service models`: what is here of each model, what it takes, and whether it can be served."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from service.catalog import CatalogModel
from service.checkpoints.adapters import adapters_bytes, read_adapters
from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import BITS, read_weights, stored_bytes
from service.checkpoints.locate import locate
from service.checkpoints.memory import DTYPES, in_gb, kv_bytes_per_token, read_config, weights_bytes
from service.checkpoints.need import available_ram_bytes
from service.devices import is_cuda
from service.engine.families import FAMILIES
from service.engine_protocol.engine_config import AdapterSource
from service.errors import RunstreamError

HEADINGS = ("MODEL", "WEIGHTS", "SIZE", "DTYPE", "MEMORY", "FITS", "WHERE, OR WHAT TO DO")

_BYTES_OF = {"int8": 1.0, "awq": 0.5, "gptq": 0.5}
_PLAIN_BYTES = 2.0  # checkpoints of catalogs are in 16 bits


class _Sizes(NamedTuple):
    """What is known of a model's weights.

    Attributes:
        stored: How large they are on the disk, or where they are fetched; 0 if nobody knows.
        loaded: What they take with a KV cache for one context window; 0 if nobody knows.
        is_least: Whether `loaded` is of the weights alone, counted by the model's name.
        where: Where they are, or what to do.
    """

    stored: int
    loaded: int
    is_least: bool
    where: str


def table(models: Iterable[CatalogModel], device: str) -> list[tuple[str, ...]]:
    """The rows, headings first; whether a model fits is told for a device: "cpu", "cuda", ..."""
    free_bytes = free_memory(device)
    return [HEADINGS, *(_row(model, free_bytes) for model in models)]


def free_memory(device: str) -> int:
    """The bytes that a model could take on a device now."""
    if not is_cuda(device):
        return available_ram_bytes()
    import torch  # takes seconds, and nothing else here needs it

    return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else 0


def fits(model: CatalogModel, loaded_bytes: int, free_bytes: int) -> str:
    """Whether a model could be served with that much memory.

    Returns:
        "no" for one that the engine can't run, "too large", "?" if its size is not known, "untried" for one that runs
        through its class and is no type that the tests compare, else "yes".
    """
    if model.not_servable:
        return "no"
    if loaded_bytes > free_bytes:
        return "too large"
    if not loaded_bytes:
        return "?"
    return "yes" if not model.architecture or model.architecture.removesuffix("_text") in _TESTED else "untried"


_TESTED = {name.removesuffix("_text") for name in FAMILIES}


def _row(model: CatalogModel, free_bytes: int) -> tuple[str, ...]:
    if model.parent:
        return _row_of_adapter(model)
    dtype = f"{model.dtype}, {model.quantization}" if model.quantization else model.dtype
    try:
        found, sizes = "here", _sizes_of_files(model)
    except (RunstreamError, CheckpointError, OSError) as error:
        found, sizes = "missing", _sizes_by_name(model, error)
    where = model.not_servable or sizes.where
    size = in_gb(sizes.stored) if sizes.stored else "?"
    memory = in_gb(sizes.loaded) if sizes.loaded else "?"
    memory = f"> {memory}" if sizes.is_least else memory
    return model.id, found, size, dtype, memory, fits(model, sizes.loaded, free_bytes), where


def _row_of_adapter(model: CatalogModel) -> tuple[str, ...]:
    """A LoRA adapter's; whether it fits its base is known when that is loaded."""
    source = AdapterSource(model.id, Path(model.adapter))
    try:
        (adapter,) = read_adapters([source])
        stored, memory = adapter.weights.stat().st_size, adapters_bytes([adapter], BITS[DTYPES.get(model.dtype, "F16")])
    except (CheckpointError, OSError) as error:
        return model.id, "missing", "?", model.dtype, "?", "no", str(error)
    where = f"{source.folder}, an adapter of {model.parent}"
    return model.id, "here", in_gb(stored), model.dtype, in_gb(memory), "?", where


def _sizes_of_files(model: CatalogModel) -> _Sizes:
    folder = locate(model)
    weights = read_weights(folder)
    kv_bytes = model.context_window * kv_bytes_per_token(read_config(folder), model.dtype)
    loaded = weights_bytes(weights, model.dtype, model.quantization) + kv_bytes
    return _Sizes(stored_bytes(weights), loaded, False, str(folder))


def _sizes_by_name(model: CatalogModel, error: Exception) -> _Sizes:
    stored, loaded = model.download_mib << 20, model.memory_mib << 20
    if loaded or not model.num_parameters:
        return _Sizes(stored, loaded, False, _what_to_do(error))
    least = int(model.num_parameters * _BYTES_OF.get(model.quantization, _PLAIN_BYTES))
    return _Sizes(stored, least, True, _what_to_do(error))


def _what_to_do(error: Exception) -> str:
    """The command that helps; if there is none, what is wrong."""
    if isinstance(error, RunstreamError):
        return error.metadata.get("command", error.message)
    return str(error)
