"""Attention of decoding sequences on CUDA, in Triton: a `DecodeAttention` that reads the KV cache's blocks.

A program has one KV head of one sequence, the query heads that share it, and one part of the context. Where sequences
are few, contexts are split into parts so that every multiprocessor has work, and a second kernel merges what the parts
found (Flash-Decoding, https://pytorch.org/blog/flash-decoding/). Only keys and values that a sequence has and sees are
read, each once.

How many parts there are follows from shapes, so that a CUDA graph can replay both kernels. How long they are follows
from each sequence's length, on the device: a short sequence is split as well as a long one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import triton
import triton.language as tl

from service.engine.errors import UnsupportedModelError
from service.engine.kernels.attention_params import AttentionParams
from service.engine_protocol.engine_config import BLOCK_SIZE

_LOG2_E = 1.4426950408889634

_TILE_BYTES = 16 * 1024
"""The keys that one turn of the loop reads, and as many values."""

_MAX_TILE = 128

OPTIONS = {"num_warps": 4, "num_stages": 3}
"""Triton then fetches the block ids of the next turn but one and the keys and values of the next, with 45 KiB of shared
memory at most (measured on what it compiles). So 4 programs fit one multiprocessor of a Hopper GPU, and some wait for
128 KiB of memory while others compute; 4.8 TB/s need some 40 KiB on their way to each of 132."""

_PROGRAMS_PER_MULTIPROCESSOR = 4
"""Contexts are split until there are so many."""

MAX_SPLITS = 64
"""One program merges all parts of a head at once."""

_NUM_ROWS = 16
"""Query heads are padded to as many at least, which tensor cores multiply at once. In 16 bits a token of a KV head then
takes 64 * head size operations and 4 * head size bytes, 16 for a byte, and GPUs do over 100 in the time they take to
read one. So models in which each head has keys of its own need no second way, of sums instead of products."""

_NO_WINDOW = 1 << 30


def paged_decode(
    query: torch.Tensor,
    cache: torch.Tensor,
    block_table: torch.Tensor,
    lengths: torch.Tensor,
    params: AttentionParams,
    *,
    num_multiprocessors: int,
) -> torch.Tensor:
    """See `DecodeAttention`; in float16, bfloat16 or float32.

    Args:
        num_multiprocessors: The GPU's.

    Raises:
        UnsupportedModelError: Triton can't compile or start it here.
    """
    num_sequences, num_heads, head_size = query.shape
    num_kv_heads = cache.shape[2] // 2
    if query.stride(2) != 1:
        query = query.contiguous()
    tile = tile_of(head_size, query.element_size())
    num_tiles = block_table.shape[1] * BLOCK_SIZE // tile
    num_splits = choose_num_splits(num_sequences * num_kv_heads, num_tiles, num_multiprocessors)
    output = query.new_empty(query.shape)
    parts, logs = output, output
    if num_splits > 1:
        parts = query.new_empty((num_sequences, num_heads, num_splits, head_size), dtype=torch.float32)
        logs = query.new_empty((num_sequences, num_heads, num_splits), dtype=torch.float32)
    scaling, sliding_window, softcap = params
    window = _NO_WINDOW if sliding_window is None else sliding_window
    inputs = (query, cache, block_table, lengths, parts, logs, query.stride(0), query.stride(1), block_table.stride(0))
    # In the interpreter, on a CPU, a product of bfloat16 is computed of the bits as integers.
    constants = attend_constants(num_heads // num_kv_heads, head_size, tile, num_splits > 1, softcap, not query.is_cuda)
    # Triton starts kernels on the current device.
    with torch.cuda.device_of(query), _refusing():  # type: ignore[no-untyped-call]
        # Heads first: those of one token stand side by side in memory, and programs side by side run together.
        attend_kernel[num_kv_heads, num_sequences, num_splits](
            *inputs, scale_of(scaling, softcap), window, **constants, **OPTIONS
        )
        if num_splits > 1:
            sizes = {name: constants[name] for name in ("HEAD_SIZE", "SIZE", "TILE")}
            merge_kernel[num_heads, num_sequences](
                lengths, parts, logs, output, window, num_splits, **sizes, MAX_SPLITS=MAX_SPLITS, **OPTIONS
            )
    return output


@contextmanager
def _refusing() -> Iterator[None]:
    """Says of what Triton can't compile or start that it need not be used."""
    try:
        yield
    except triton.TritonError as error:
        raise UnsupportedModelError(f"the kernel of --accelerate attention does not run here: {error}") from error


def tile_of(head_size: int, element_size: int) -> int:
    """The number of tokens that one turn of the loop takes, for an element size in bytes."""
    row_bytes: int = triton.next_power_of_2(head_size) * element_size
    return max(BLOCK_SIZE, min(_MAX_TILE, _TILE_BYTES // row_bytes))


def choose_num_splits(num_programs: int, num_tiles: int, num_multiprocessors: int) -> int:
    """Into how many parts contexts are split.

    Args:
        num_programs: How many there are without splitting.
        num_tiles: How many tiles the longest context has.
        num_multiprocessors: The GPU's.
    """
    wanted = num_multiprocessors * _PROGRAMS_PER_MULTIPROCESSOR // num_programs
    return max(1, min(wanted, num_tiles, MAX_SPLITS))


def scale_of(scaling: float, softcap: float | None) -> float:
    """The kernel's factor of scores: exponents have base 2, and tanh(x) is 1 - 2 / (exp(2 * x) + 1)."""
    return scaling * _LOG2_E if softcap is None else 2 * scaling / softcap * _LOG2_E


def attend_constants(
    group: int, head_size: int, tile: int, is_split: bool, softcap: float | None, in_float32: bool
) -> dict[str, int | float | bool]:
    """Constants of a variant of `attend_kernel`. A model needs two: with contexts split, and not.

    Args:
        group: How many query heads share a KV head.
        in_float32: Whether products take their factors in float32.
    """
    return {
        "GROUP": group,
        "ROWS": max(_NUM_ROWS, triton.next_power_of_2(group)),
        "HEAD_SIZE": head_size,
        "SIZE": triton.next_power_of_2(head_size),
        "BLOCK": BLOCK_SIZE,
        "TILE": tile,
        "IS_SPLIT": is_split,
        "CAP": 0.0 if softcap is None else softcap * _LOG2_E,
        "IN_FLOAT32": in_float32,
    }


@triton.jit
def _part(length, window, split, num_splits, TILE: tl.constexpr):
    """The bounds of a part: whole tiles of what is seen, but for the last; empty where no more are left."""
    first = tl.maximum(length - window, 0)
    share = tl.cdiv(tl.cdiv(length - first, num_splits), TILE) * TILE
    start = first + split * share
    return start, tl.minimum(start + share, length)


@triton.jit
def _load(source, is_element, IN_FLOAT32: tl.constexpr):
    """Zeros where there is no element: what memory holds there might be NaN."""
    loaded = tl.load(source, mask=is_element, other=0.0)
    if IN_FLOAT32:
        loaded = loaded.to(tl.float32)
    return loaded


@triton.jit
def _slots(block_table, positions, is_seen, BLOCK: tl.constexpr):
    """The slots of tokens in the cache, in 64 bits: times a token's numbers they may not fit 32."""
    blocks = tl.load(block_table + positions // BLOCK, mask=is_seen, other=0)
    return blocks.to(tl.int64) * BLOCK + positions % BLOCK


@triton.jit
def _scores(queries, keys, scale, CAP: tl.constexpr):
    """Exponents to base 2, [ROWS, TILE]."""
    scores = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
    if CAP > 0:
        scores = CAP * (1 - 2 / (tl.exp2(scores) + 1))
    return scores


@triton.jit(do_not_specialize=["window"])  # or a window of another length would be compiled for anew
def attend_kernel(
    query,
    cache,
    block_table,
    lengths,
    parts,
    logs,
    query_stride,
    head_stride,
    table_stride,
    scale,
    window,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    HEAD_SIZE: tl.constexpr,
    SIZE: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
    IS_SPLIT: tl.constexpr,
    CAP: tl.constexpr,
    IN_FLOAT32: tl.constexpr,
):
    """Writes each part's output, and the logarithm of its softmax's denominator if there are several."""
    num_kv_heads, num_splits = tl.num_programs(0), tl.num_programs(2)
    kv_head, sequence, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    start, end = _part(tl.load(lengths + sequence), window, split, num_splits, TILE)
    rows, columns = tl.arange(0, ROWS), tl.arange(0, SIZE)
    heads = kv_head * GROUP + rows
    is_column = (columns < HEAD_SIZE)[None, :]
    query_places = sequence * query_stride + heads[:, None] * head_stride + columns[None, :]
    queries = _load(query + query_places, (rows < GROUP)[:, None] & is_column, IN_FLOAT32)
    best = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    sums = tl.zeros((ROWS, SIZE), tl.float32)
    for tile in range(start, end, TILE):
        positions = tile + tl.arange(0, TILE)
        is_seen = positions < end
        slots = _slots(block_table + sequence * table_stride, positions, is_seen, BLOCK)
        places = (slots[:, None] * (2 * num_kv_heads) + kv_head) * HEAD_SIZE + columns[None, :]
        is_element = is_seen[:, None] & is_column
        keys = _load(cache + places, is_element, IN_FLOAT32)
        values = _load(cache + num_kv_heads * HEAD_SIZE + places, is_element, IN_FLOAT32)
        scores = tl.where(is_seen[None, :], _scores(queries, keys, scale, CAP), float("-inf"))
        new_best = tl.maximum(best, tl.max(scores, 1))
        faded = tl.exp2(best - new_best)
        weights = tl.exp2(scores - new_best[:, None])
        total = total * faded + tl.sum(weights, 1)
        rounded = weights.to(cache.dtype.element_ty).to(values.dtype)
        sums = sums * faded[:, None] + tl.dot(rounded, values, input_precision="ieee")
        best = new_best
    # A sequence of no tokens has seen nothing, and its output is 0.
    total = tl.where(total == 0, 1.0, total)
    part = (sequence * num_kv_heads * GROUP + heads) * num_splits + split
    is_written = rows < GROUP
    if IS_SPLIT:
        is_written = is_written & (start < end)
        tl.store(logs + part, best + tl.log2(total), mask=is_written)
    output_places = part[:, None] * HEAD_SIZE + columns[None, :]
    tl.store(parts + output_places, sums / total[:, None], mask=is_written[:, None] & is_column)


@triton.jit(do_not_specialize=["window", "num_splits"])
def merge_kernel(
    lengths,
    parts,
    logs,
    output,
    window,
    num_splits,
    HEAD_SIZE: tl.constexpr,
    SIZE: tl.constexpr,
    TILE: tl.constexpr,
    MAX_SPLITS: tl.constexpr,
):
    """Weighs the parts of one head of one sequence by their shares of the whole softmax's denominator."""
    head, sequence = tl.program_id(0), tl.program_id(1)
    splits, columns = tl.arange(0, MAX_SPLITS), tl.arange(0, SIZE)
    start, end = _part(tl.load(lengths + sequence), window, splits, num_splits, TILE)
    is_part = start < end  # never beyond num_splits, whose parts have all there is
    output_row = sequence * tl.num_programs(0) + head
    part = output_row * num_splits + splits
    log = tl.load(logs + part, mask=is_part, other=float("-inf"))
    # Of no parts at all the largest would be infinite, and infinite minus infinite is NaN.
    weights = tl.exp2(log - tl.maximum(tl.max(log, 0), -1e38))
    total = tl.sum(weights, 0)
    is_column = columns < HEAD_SIZE
    is_element = is_part[:, None] & is_column[None, :]
    found = tl.load(parts + part[:, None] * HEAD_SIZE + columns[None, :], mask=is_element, other=0.0)
    merged = tl.sum(found * weights[:, None], 0) / tl.where(total == 0, 1.0, total)
    tl.store(output + output_row * HEAD_SIZE + columns, merged, mask=is_column)
