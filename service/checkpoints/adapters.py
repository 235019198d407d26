"""LoRA adapters in PEFT's files: what is in them, known from config and header before any weight is read."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.adapter_config import MAX_RANK, AdapterConfig, read_adapter_config
from service.checkpoints.errors import CheckpointError
from service.checkpoints.headers import BITS, Weight, read_header
from service.checkpoints.memory import DTYPES, in_gb
from service.engine_protocol.engine_config import AdapterSource, EngineConfig

WEIGHTS = "adapter_model.safetensors"
MAX_ADAPTERS = 64
"""The most of one model. Each has its place in every matrix of all."""

MAX_FILE_BYTES = 2 << 30

_FLOATS = frozenset(DTYPES.values())
_KEY = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.weight")
_OTHERS = {
    r"lora_embedding_[AB]": "matrices for embeddings",
    r"lora_magnitude_vector": "DoRA's magnitudes",
    r"lora_B\.bias": "biases of its low-rank matrices",
}


@dataclass(frozen=True, slots=True)
class LowRankShape:
    """The sizes of a layer's two matrices: A is [rank, inputs], B is [outputs, rank]."""

    inputs: int
    rank: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter on the disk.

    Attributes:
        name: What requests name.
        weights: The file of its matrices.
        config: Its numbers.
        shapes: The sizes for each layer that it changes, by the layer's name in its model.
    """

    name: str
    weights: Path
    config: AdapterConfig
    shapes: Mapping[str, LowRankShape]


def read_adapters(sources: Sequence[AdapterSource]) -> list[Adapter]:
    """The adapters of one model.

    Raises:
        CheckpointError: One can't be used; the message names it.
        OSError: A file can't be read.
    """
    if (number := len(sources)) > MAX_ADAPTERS:
        raise CheckpointError(f"{number} adapters are asked for beside one model; it may have {MAX_ADAPTERS}")
    return [_read(source) for source in sources]


def adapters_bytes(adapters: Sequence[Adapter], element_bits: int) -> int:
    """What adapters take once they are loaded: in each layer as many places of the largest rank as there are adapters.

    Args:
        adapters: All of a model.
        element_bits: Of a number.
    """
    largest: dict[str, LowRankShape] = {}
    for name, shape in (item for adapter in adapters for item in adapter.shapes.items()):
        if name not in largest or shape.rank > largest[name].rank:
            largest[name] = shape
    numbers = sum(shape.rank * (shape.inputs + shape.outputs) for shape in largest.values())
    return len(adapters) * numbers * element_bits // 8


def loaded_adapters_bytes(config: EngineConfig) -> int:
    """What an engine's adapters take; 0 if it has none. With dtype "auto" that is an estimate: as if in 32 bits.

    Raises:
        CheckpointError, OSError: As `read_adapters`.
    """
    return adapters_bytes(read_adapters(config.adapters), BITS[DTYPES.get(config.dtype, "F32")])


def refusal(name: str, reason: str) -> CheckpointError:
    """Why an adapter can't be served."""
    return CheckpointError(f"the LoRA adapter {name} can't be served: {reason}")


def _read(source: AdapterSource) -> Adapter:
    try:
        config = read_adapter_config(source.folder)
        weights = source.folder / WEIGHTS
        return Adapter(source.name, weights, config, _shapes(_header(weights), config))
    except CheckpointError as error:
        raise refusal(source.name, str(error)) from error


def _header(path: Path) -> dict[str, Weight]:
    if not path.is_file():
        pickle = path.with_name("adapter_model.bin")
        why = f"; {pickle.name} is a pickle, which can run code: save it as safetensors" if pickle.is_file() else ""
        raise CheckpointError(f"{path} is not there{why}")
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise CheckpointError(f"{path} has {in_gb(size)}; at most {in_gb(MAX_FILE_BYTES)} are read")
    return read_header(path)


def _shapes(header: Mapping[str, Weight], config: AdapterConfig) -> dict[str, LowRankShape]:
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, weight in header.items():
        found = _KEY.fullmatch(key)
        if found is None:
            raise CheckpointError(f"it has {_other(key)} ({key}), and only pairs of LoRA matrices are done here")
        if weight.dtype not in _FLOATS:
            raise CheckpointError(f"{key} is of type {weight.dtype}; expected one of {', '.join(sorted(_FLOATS))}")
        sides.setdefault(found["layer"], {})[found["side"]] = weight.shape
    if not sides:
        raise CheckpointError("it has no weights")
    return {name: _shape(name, pair, config) for name, pair in sides.items()}


def _shape(name: str, pair: Mapping[str, tuple[int, ...]], config: AdapterConfig) -> LowRankShape:
    first, second = pair.get("A", ()), pair.get("B", ())
    if len(first) != 2 or len(second) != 2 or first[0] != second[1]:
        raise CheckpointError(f"{name} has matrices of {list(first)} and {list(second)}, which are no pair of LoRA's")
    rank, told = first[0], config.rank_of(name)
    if rank != told:
        raise CheckpointError(f"the matrices of {name} are of rank {rank}, and its config says {told}")
    if rank > MAX_RANK:
        raise CheckpointError(f"the matrices of {name} are of rank {rank}; they may be of {MAX_RANK}")
    if not config.is_target(name):
        raise CheckpointError(f"it has matrices for {name}, which its target_modules leave out")
    return LowRankShape(inputs=first[1], rank=rank, outputs=second[0])


def _other(key: str) -> str:
    return next((what for pattern, what in _OTHERS.items() if re.search(pattern, key)), "a weight of its own")
