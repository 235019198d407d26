"""The tensors of a checkpoint, as the headers of its files tell; nothing of the weights is read for it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import weight_files
from service.checkpoints.gguf import KINDS, PLAIN, is_gguf, read_gguf
from service.checkpoints.gguf_weights import gguf_weights

BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
}
"""The bits of one element, by the name that safetensors has for its type."""

GGUF_BYTES = {kind.name: kind.num_bytes / kind.num_elements for kind in KINDS.values() if kind.name not in PLAIN}
"""The bytes of one element, by the name that GGUF files have for its code."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One tensor of a checkpoint.

    Attributes:
        dtype: Its type, one of `BITS` or `GGUF_BYTES`.
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """What it takes as it is."""
        if self.dtype in GGUF_BYTES:
            return int(math.prod(self.shape) * GGUF_BYTES[self.dtype])
        return math.prod(self.shape) * BITS[self.dtype] // 8


def read_weights(checkpoint: Path) -> dict[str, Weight]:
    """The tensors of a checkpoint's folder or GGUF file by name, from the files' headers.

    Raises:
        CheckpointError: A file is no safetensors or GGUF file, or is shorter or longer than its header says.
        OSError: A file can't be read.
    """
    if is_gguf(checkpoint):
        found = gguf_weights(read_gguf(checkpoint))
        return {name: Weight(weight.tensor.kind.name, weight.tensor.shape) for name, weight in found.items()}
    return read_headers(weight_files(checkpoint))


def read_headers(paths: Iterable[Path]) -> dict[str, Weight]:
    """The same of some files."""
    weights: dict[str, Weight] = {}
    for path in paths:
        weights |= read_header(path)
    return weights


def stored_bytes(weights: Mapping[str, Weight]) -> int:
    """What a checkpoint's weights take on the disk."""
    return sum(weight.size_bytes for weight in weights.values())


def read_header(path: Path) -> dict[str, Weight]:
    """The tensors of one file by name.

    Raises:
        CheckpointError: It is no safetensors, or is shorter or longer than its header says.
        OSError: It can't be read.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            weights = {name: Weight(it.get_dtype(), tuple(it.get_shape())) for name, it in slices.items()}
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no whole safetensors file: {error}") from error
    unknown = {weight.dtype for weight in weights.values()} - BITS.keys()
    if unknown:
        raise CheckpointError(f"{path} has weights of type {unknown.pop()}; expected one of {', '.join(BITS)}")
    return weights
