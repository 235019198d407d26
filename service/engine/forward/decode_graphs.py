"""Decoding steps recorded once for some numbers of sequences, and replayed with a single call.

A step that only decodes has the same shapes whatever its sequences are, if `PagedDecode` attends. So its inputs are
copied to where the recorded step reads them, and the step is replayed. Rows of padding fill it up to the next recorded
number. Padding has length 0, and writes its keys and values to the scratch block, the cache's last.
Other steps, and those of more sequences than any recorded one, run as they are.

A recorded step reads the weights and the KV cache where they were. Neither is ever moved; nothing else outlives a step,
so after one that failed there is nothing to record again.
"""

import logging
from collections.abc import Callable
from typing import Protocol

import torch

from service.engine.attention.batch import PackedBatch
from service.engine.attention.paged_decode import DecodeAttention, PagedDecode
from service.engine.device import has_graphs
from service.engine.forward.class_forward import Forward
from service.engine.progress import tell_progress
from service.engine.tolerances import relative_error
from service.engine_protocol.acceleration import AccelerationError
from service.engine_protocol.engine_config import BLOCK_SIZE

_log = logging.getLogger(__name__)

_MAX_SIZE = 256
"""Beyond this the device takes so long for a step that starting its kernels one by one costs little of it."""

_STRIDE = 8
_TOLERANCE = 1e-2
"""Of a whole step in any dtype: both run the same kernels, and what is not replayed shows as a relative error of 1."""


class Capture(Protocol):
    """Records what a device is told to do."""

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        """Runs a function, and returns what does the same again on the same memory, without running its Python.

        Raises:
            RuntimeError: The function can't be recorded.
        """
        ...

    def free_bytes(self) -> int:
        """The memory that the device has free."""
        ...


class CudaCapture:
    """Records CUDA graphs, which share their memory for intermediate results: one replays at a time.

    Args:
        device: The device of everything that is recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            run()  # compiles kernels and makes workspaces, which is not allowed while a graph is recorded
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            run()
        return graph.replay

    def free_bytes(self) -> int:
        """The memory that the device has free."""
        return torch.cuda.mem_get_info(self._device)[0]


class DecodeGraphs:
    """Runs a forward, or replays what was recorded of it.

    Args:
        forward: A fused decoder's.
        capture: Records.
        kv_cache: The one of all steps, with the scratch block as its last.
        attention: What decoding sequences attend with.
        num_columns: How many columns each step's block table has.
        max_num_seqs: The most sequences that run at once.

    Attributes:
        taken_bytes: The device's memory that the largest recorded step has taken, and what all others have.
    """

    def __init__(
        self,
        forward: Forward,
        capture: Capture,
        kv_cache: list[torch.Tensor],
        attention: DecodeAttention,
        num_columns: int,
        max_num_seqs: int,
    ) -> None:
        self._forward, self._kv_cache, self._attention = forward, kv_cache, attention
        self._addresses = [cache.data_ptr() for cache in kv_cache]
        self._scratch_block = kv_cache[0].shape[0] - 1
        device, sizes = kv_cache[0].device, graph_sizes(max_num_seqs)
        self._token_ids = torch.zeros((1, sizes[-1]), dtype=torch.int64, device=device)
        self._positions = torch.zeros_like(self._token_ids)
        self._places = torch.arange(sizes[-1], device=device)
        self._slot_mapping = torch.full(
            (sizes[-1],), self._scratch_block * BLOCK_SIZE, dtype=torch.int64, device=device
        )
        self._block_table = torch.full((sizes[-1], num_columns), self._scratch_block, dtype=torch.int32, device=device)
        self._lengths = torch.ones(sizes[-1], dtype=torch.int32, device=device)
        self._logits = torch.empty(0)
        self._replays: dict[int, Callable[[], None]] = {}
        self.taken_bytes = self._capture_all(capture, sizes)

    def __call__(
        self, token_ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch
    ) -> torch.Tensor:
        """As the forward; logits of a replayed step are valid until the next one."""
        paged, num_sequences = batch.paged_decode, token_ids.shape[1]
        size = next((size for size in self._replays if size >= num_sequences), None)
        if paged is None or batch.prefill_chunks or size is None:
            return self._forward(token_ids, positions, last, batch)
        assert [cache.data_ptr() for cache in batch.kv_cache] == self._addresses, "the KV cache was moved"
        self._token_ids[:, :num_sequences].copy_(token_ids)
        self._positions[:, :num_sequences].copy_(positions)
        self._slot_mapping[:num_sequences].copy_(batch.slot_mapping)
        self._block_table[:num_sequences].copy_(paged.block_table)
        self._lengths[:num_sequences].copy_(paged.lengths)
        # What else padding has from earlier steps is valid and has no effect.
        self._slot_mapping[num_sequences:size].fill_(self._scratch_block * BLOCK_SIZE)
        self._lengths[num_sequences:size].zero_()
        self._replays[size]()
        return self._logits[:num_sequences]

    @torch.inference_mode()
    def _capture_all(self, capture: Capture, sizes: list[int]) -> tuple[int, int]:
        """Records the largest first, whose memory the others then use; see `taken_bytes`."""
        free_bytes = capture.free_bytes()
        self._logits = self._run(sizes[-1]).clone()
        recorded: dict[int, Callable[[], None]] = {}
        first_bytes = 0
        for num_done, size in enumerate(reversed(sizes), 1):
            try:
                recorded[size] = self._captured(capture, size)
            except RuntimeError as error:
                _log.warning("steps of %d sequences run without a CUDA graph: %s", size, error)
            tell_progress("capturing graphs", num_done, len(sizes))
            first_bytes = first_bytes or max(0, free_bytes - capture.free_bytes())
        self._replays = dict(sorted(recorded.items()))
        taken_bytes = max(0, free_bytes - capture.free_bytes())
        taken_mib = taken_bytes / (1 << 20)
        _log.info("captured %d graphs, of up to %d sequences, in %.0f MiB", len(recorded), sizes[-1], taken_mib)
        return first_bytes, max(0, taken_bytes - first_bytes)

    def _captured(self, capture: Capture, size: int) -> Callable[[], None]:
        """Records a step, and sees that another input gives what it gives without being recorded."""
        self._token_ids.fill_(1)

        def run() -> None:
            self._logits[:size].copy_(self._run(size))

        replay = capture(run)
        self._token_ids.fill_(2)
        expected = self._run(size)
        replay()
        error = relative_error(self._logits[:size], expected)
        if not error <= _TOLERANCE:
            raise RuntimeError(f"its logits differ by {error:.1e}, more than {_TOLERANCE:.1e}")
        return replay

    def _run(self, size: int) -> torch.Tensor:
        """A step of the first `size` rows of the inputs."""
        paged = PagedDecode(self._attention, self._block_table[:size], self._lengths[:size])
        batch = PackedBatch(self._kv_cache, self._slot_mapping[:size], [], [], paged)
        return self._forward(self._token_ids[:, :size], self._positions[:, :size], self._places[:size], batch)


def capture_for(device: torch.device) -> Capture:
    """The way to record on a device.

    Raises:
        AccelerationError: Nothing does.
    """
    if not has_graphs(device):
        raise AccelerationError(f"graphs needs a CUDA device, and this one is {device}")
    return CudaCapture(device)


def graph_sizes(max_num_seqs: int) -> list[int]:
    """The numbers of sequences whose steps are recorded, ascending: 1, 2, 4, the multiples of 8, and the most."""
    most = min(max_num_seqs, _MAX_SIZE)
    return sorted({size for size in (1, 2, 4, *range(_STRIDE, most, _STRIDE)) if size < most} | {most})
