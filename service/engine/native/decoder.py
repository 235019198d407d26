"""The compiled decoder: all layers of a llama-like model in one call."""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_float, c_int32, c_int64, c_void_p
from typing import NamedTuple

import torch

from service.engine.native.library import Library
from service.engine.native.matrix import Matrix
from service.engine.native.memory import Chunks

MAX_ROWS = 256
"""How many tokens go through the layers together. More take more memory for intermediate results and are no quicker."""

STORED = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
"""`enum Stored` of src/stored_numbers.h: dtypes in which the KV cache may be."""

_Progress = ctypes.CFUNCTYPE(None)


class NormWeights(NamedTuple):
    """A norm's weights, float32 [size], or None for no norm, and its epsilon."""

    weight: torch.Tensor | None
    epsilon: float


class LayerParts(NamedTuple):
    """What a layer is made of; src/decoder.h tells more."""

    qkv: Matrix
    output: Matrix
    gate_up: Matrix
    down: Matrix
    input_norm: NormWeights
    query_norm: NormWeights
    key_norm: NormWeights
    mlp_norm: NormWeights


class Shape(NamedTuple):
    """The sizes of a model's heads; of each, twice `half_rotated` numbers are rotated."""

    num_heads: int
    num_kv_heads: int
    head_size: int
    half_rotated: int


class PackedStep(NamedTuple):
    """A step's tensors, all contiguous.

    Attributes:
        embedded: The tokens' embeddings, float32 [T, hidden size].
        positions: Rows of `rotations`, int64 [T].
        rotations: Cosines, then sines, of each position, float32 [positions, 2, half_rotated].
        slots: int64 [T].
        ends: Behind which place of the row each sequence's tokens end, int32 [N].
        lengths: Tokens of each sequence with the row's, int32 [N].
        block_table: int32 [N, columns].
        last: Places whose logits are wanted, each at most once, int64 [L].
    """

    embedded: torch.Tensor
    positions: torch.Tensor
    rotations: torch.Tensor
    slots: torch.Tensor
    ends: torch.Tensor
    lengths: torch.Tensor
    block_table: torch.Tensor
    last: torch.Tensor


class _Norm(ctypes.Structure):
    _fields_ = (("weight", c_void_p), ("epsilon", c_float))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("qkv", "output", "gate_up", "down")),
        *((name, _Norm) for name in ("input_norm", "query_norm", "key_norm", "mlp_norm")),
        ("cache", c_void_p),
        ("window", c_int64),
        ("scaling", c_float),
    )


class _Decoder(ctypes.Structure):
    _fields_ = (
        ("layers", c_void_p),
        ("num_layers", c_int64),
        ("last_norm", _Norm),
        ("head", c_void_p),
        ("cache_stored", c_int32),
        *((name, c_int64) for name in Shape._fields),
        ("max_rows", c_int64),
        ("num_threads", c_int32),
        ("workspace", c_void_p),
    )


class _Step(ctypes.Structure):
    _fields_ = (
        ("num_tokens", c_int64),
        *((name, c_void_p) for name in ("embedded", "positions", "rotations", "slots")),
        ("num_sequences", c_int64),
        *((name, c_void_p) for name in ("ends", "lengths", "block_table")),
        ("num_columns", c_int64),
        ("num_last", c_int64),
        *((name, c_void_p) for name in ("last", "last_rows", "logits")),
        ("note_progress", _Progress),
    )


class Decoder:
    """A model's layers, and the memory that its steps work in.

    Args:
        library: The compiled code.
        layers: The layers.
        last_norm: The norm before the head.
        head: The head's matrix.
        shape: The heads' sizes.
        note_progress: Called at each layer.

    Raises:
        OSError: The library is of other sources.
    """

    def __init__(
        self,
        library: Library,
        layers: Sequence[LayerParts],
        last_norm: NormWeights,
        head: Matrix,
        shape: Shape,
        note_progress: Callable[[], None],
    ) -> None:
        sizes = [ctypes.sizeof(fields) for fields in (_Layer, _Decoder, _Step)]
        if library.decoder_layout() != sum(size << 16 * place for place, size in enumerate(sizes)):
            raise OSError(f"{library.path} is of other sources")
        self._library, self._kept = library, (layers, last_norm, head)
        self._layers = (_Layer * len(layers))(*(_Layer(*_addresses(layer)) for layer in layers))
        self._fields = _Decoder(
            layers=ctypes.addressof(self._layers),
            num_layers=len(layers),
            last_norm=_norm(last_norm),
            head=head.address,
            max_rows=MAX_ROWS,
            **shape._asdict(),
        )
        self._hidden_size, self._vocabulary = head.inputs, head.outputs
        self._progress = _Progress(note_progress)
        self._caches: Sequence[torch.Tensor] = ()
        self._workspace = torch.empty(0)
        self._last_rows = self._logits = torch.empty((0, 0))

    def use_caches(self, caches: Sequence[torch.Tensor]) -> None:
        """Writes keys and values from now on to these, [blocks, 16, 2 * KV heads, head size] in one of `STORED`."""
        if caches is self._caches:
            return
        self._caches = caches
        self._fields.cache_stored = STORED[caches[0].dtype]
        for layer, cache in zip(self._layers, caches, strict=True):
            layer.cache = cache.data_ptr()

    def use_attention(self, scalings: Sequence[float], windows: Sequence[int | None]) -> None:
        """Sets what each layer's scores are multiplied with, and how many tokens one sees there."""
        for layer, scaling, window in zip(self._layers, scalings, windows, strict=True):
            layer.scaling, layer.window = scaling, window or 0

    def logits(self, step: PackedStep) -> torch.Tensor:
        """The logits of a step's last places, float32 [L, vocabulary], valid until the next call."""
        self._make_room(step.last.shape[0])
        embedded, positions, rotations, slots, ends, lengths, block_table, last = (it.data_ptr() for it in step)
        fields = _Step(
            step.embedded.shape[0],
            *(embedded, positions, rotations, slots),
            step.ends.shape[0],
            *(ends, lengths, block_table),
            step.block_table.shape[1],
            step.last.shape[0],
            *(last, self._last_rows.data_ptr(), self._logits.data_ptr()),
            self._progress,
        )
        self._library.decode(ctypes.byref(self._fields), ctypes.byref(fields))
        return self._logits[: step.last.shape[0]]

    def _make_room(self, num_last: int) -> None:
        num_threads = torch.get_num_threads()
        if num_threads != self._fields.num_threads:
            self._fields.num_threads = num_threads
            self._workspace = Chunks().zeros(self._library.workspace_bytes(ctypes.byref(self._fields)))
            self._fields.workspace = self._workspace.data_ptr()
        if num_last > self._logits.shape[0]:
            self._last_rows = torch.empty((num_last, self._hidden_size), dtype=torch.float32)
            self._logits = torch.empty((num_last, self._vocabulary), dtype=torch.float32)


def _addresses(layer: LayerParts) -> list[object]:
    return [part.address if isinstance(part, Matrix) else _norm(part) for part in layer]


def _norm(norm: NormWeights) -> _Norm:
    return _Norm(None if norm.weight is None else norm.weight.data_ptr(), norm.epsilon)
