"""GGUF files: their metadata and where their tensors are, with each size checked before it is believed.

The reader of the gguf package believes all sizes, and takes 2.7 s for a file of 49 thousand tokens.
"""

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.checkpoints.errors import CheckpointError

SUFFIX = ".gguf"

_VERSIONS = (2, 3)
_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 512 << 20
_MAX_STRINGS = 4_000_000
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 1 << 20
_LEAST_ENTRY_BYTES = 13
"""What a key, its type and its value take at least; a tensor's entry takes more."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_FLOAT, _STRING, _ARRAY = 6, 8, 9


@dataclass(frozen=True, slots=True)
class Kind:
    """How the elements of a tensor are stored.

    Attributes:
        name: Its name in ggml.
        num_elements: How many of them are in a block.
        num_bytes: What a block takes.
    """

    name: str
    num_elements: int
    num_bytes: int


KINDS = {
    0: Kind("F32", 1, 4),
    1: Kind("F16", 1, 2),
    2: Kind("Q4_0", 32, 18),
    3: Kind("Q4_1", 32, 20),
    8: Kind("Q8_0", 32, 34),
    12: Kind("Q4_K", 256, 144),
    13: Kind("Q5_K", 256, 176),
    14: Kind("Q6_K", 256, 210),
    30: Kind("BF16", 1, 2),
}
"""The kinds that are read, by ggml's number."""

PLAIN = ("F32", "F16", "BF16")
"""Kinds that are no codes."""


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor of a file.

    Attributes:
        name: Its name in the file.
        kind: One of `KINDS`.
        shape: Its shape in torch's order, outputs first.
        start: Where in the file its bytes begin.
        num_bytes: How many they are.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    start: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A file's header.

    Attributes:
        path: The file.
        metadata: Its values by key: numbers, texts, lists of texts, and arrays of numbers.
        tensors: Its tensors by their names in it.
    """

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    @property
    def dtype(self) -> str:
        """The torch dtype to compute in: that of plain weights, else bfloat16."""
        kinds = {tensor.kind.name for tensor in self.tensors.values()}
        if kinds <= {"F32"}:
            return "float32"
        return "float16" if kinds <= {"F32", "F16"} else "bfloat16"

    def values(self, name: str) -> np.ndarray:
        """The numbers of a small tensor of kind F32.

        Raises:
            CheckpointError: It is of another kind.
        """
        tensor = self.tensors[name]
        if tensor.kind.name != "F32":
            raise CheckpointError(f"{name} of {self.path} is of kind {tensor.kind.name}; expected F32")
        return np.fromfile(self.path, "<f4", math.prod(tensor.shape), offset=tensor.start).reshape(tensor.shape)


def is_gguf(checkpoint: Path) -> bool:
    """Whether a checkpoint is a GGUF file and not a folder of transformers' form."""
    return checkpoint.suffix == SUFFIX


def read_gguf(path: Path) -> GgufFile:
    """Reads a file's header.

    Raises:
        CheckpointError: It is no whole GGUF file, or has tensors of a kind that is not read.
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 24:  # nothing to map, or no place for its counts
            raise CheckpointError(f"{path} is no GGUF file: it has {path.stat().st_size} bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _Header(path, data)
            metadata = header.metadata()
            return GgufFile(path, metadata, header.tensors(metadata))


class _Header:
    """Reads a header from its beginning to its end.

    Args:
        path: The file, for errors.
        data: Its bytes.
    """

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path = path
        self._data = data
        self._end = min(len(data), _MAX_HEADER_BYTES)
        self._place = 4
        if data[:4] != b"GGUF":
            raise CheckpointError(f"{path} is no GGUF file: it does not begin with GGUF")
        version, self._num_tensors, self._num_values = self._unpack("IQQ")
        if version not in _VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in _VERSIONS
            known = "a big-endian file" if swapped else f"version {version}"
            raise self._error(f"is {known}; only little-endian files of version 2 and 3 are read")
        if (self._num_tensors + self._num_values) * _LEAST_ENTRY_BYTES > len(data):
            raise self._error(f"tells of {self._num_values} values and {self._num_tensors} tensors, more than it holds")

    def metadata(self) -> dict[str, Any]:
        """The values, which stand first."""
        values: dict[str, Any] = {}
        for _ in range(self._num_values):
            key = self._string()
            values[key] = self._value(*self._unpack("I"))
        return values

    def tensors(self, metadata: Mapping[str, Any]) -> dict[str, GgufTensor]:
        """The tensors, each of which is whole in the file."""
        entries = [self._entry() for _ in range(self._num_tensors)]
        alignment = metadata.get("general.alignment", 32)
        if type(alignment) is not int or not 0 < alignment <= _MAX_ALIGNMENT:
            raise self._error(f"has general.alignment {alignment!r}; expected a number of bytes")
        begin = -(-self._place // alignment) * alignment
        found: dict[str, GgufTensor] = {}
        for name, shape, kind, offset in entries:
            num_bytes = math.prod(shape) // kind.num_elements * kind.num_bytes
            if name in found:
                raise self._error(f"has {name} twice")
            if shape[-1] % kind.num_elements:
                raise self._error(f"has rows of {shape[-1]} in {name}, which are no blocks of {kind.num_elements}")
            if begin + offset + num_bytes > len(self._data):
                raise self._error(f"has {len(self._data)} bytes, too few for {name}: it is cut off, fetch it again")
            found[name] = GgufTensor(name, kind, shape, begin + offset, num_bytes)
        return found

    def _entry(self) -> tuple[str, tuple[int, ...], Kind, int]:
        name = self._string()
        (num_dimensions,) = self._unpack("I")
        if not 1 <= num_dimensions <= _MAX_DIMENSIONS:
            raise self._error(f"has {num_dimensions} dimensions in {name}")
        *shape, kind, offset = self._unpack(f"{num_dimensions}QIQ")
        if 0 in shape:
            raise self._error(f"has an empty tensor, {name}")
        if kind not in KINDS:
            raise self._error(
                f"has {name} of kind {_kind_name(kind)}, which is not read, only "
                f"{', '.join(sorted(it.name for it in KINDS.values()))}: take a file of the model in one of these"
            )
        return name, tuple(reversed(shape)), KINDS[kind], offset

    def _value(self, kind: int) -> Any:
        if kind == _FLOAT:  # as somebody has written it: 1e-05, not 9.999999747378752e-06
            return float(str(np.float32(self._unpack("f")[0])))
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise self._error(f"has a value of type {kind}")
        kind, count = self._unpack("IQ")
        if kind in _SCALARS:
            return np.frombuffer(self._take(count * struct.calcsize(f"<{_SCALARS[kind]}")), f"<{_SCALARS[kind]}")
        if kind != _STRING or count > _MAX_STRINGS:
            raise self._error(f"has an array of {count} values of type {kind}")
        return self._strings(count)

    def _string(self) -> str:
        (length,) = self._unpack("Q")
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._error("has a text that is not UTF-8") from error

    def _strings(self, count: int) -> list[str]:
        """As many texts; of a vocabulary there are hundreds of thousands, so without a call for each."""
        data, place, end, unpack = self._data, self._place, self._end, _LENGTH.unpack_from
        texts: list[bytes] = []
        for _ in range(count):
            begin = place + _LENGTH.size
            if begin > end or (place := begin + unpack(data, place)[0]) > end:
                raise self._error("ends within its header, in an array of texts: fetch it again")
            texts.append(data[begin:place])
        self._place = place
        try:
            return [text.decode("utf-8") for text in texts]
        except UnicodeDecodeError as error:
            raise self._error("has a text that is not UTF-8") from error

    def _unpack(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack(form, self._take(struct.calcsize(form)))

    def _take(self, num_bytes: int) -> bytes:
        begin = self._place
        if num_bytes > self._end - begin:
            raise self._error(f"ends within its header, which wants {num_bytes} bytes more: fetch it again")
        self._place = begin + num_bytes
        return self._data[begin : self._place]

    def _error(self, what: str) -> CheckpointError:
        return CheckpointError(f"the GGUF file {self._path} {what}")


def _kind_name(kind: int) -> str:
    from gguf import GGMLQuantizationType  # slow to import, and only its names are wanted

    known = {member.value: member.name for member in GGMLQuantizationType}
    return known.get(kind, str(kind))
