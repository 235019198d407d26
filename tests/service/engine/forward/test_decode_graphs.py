"""Replayed steps compute what eager ones do; CUDA graphs are stood in for by `RecordedOperations`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from service.engine.attention.batch import PackedBatch
from service.engine.attention.paged_decode import PagedDecode, paged_decode_reference
from service.engine.engine import Engine
from service.engine.forward.decode_graphs import DecodeGraphs, graph_sizes
from service.engine.progress import progress_told
from service.engine.startup.build import Backend, build_engine
from service.engine_protocol.acceleration import Acceleration, AccelerationError
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import tiny_model
from tests.support.deferred import DeferredDevice
from tests.support.engines import fail_step, finish, make_engine, tokens_of
from tests.support.played_requests import (
    BOUNDS,
    EOS,
    FEW_BLOCKS,
    OFTEN_PREEMPTED,
    REQUESTS,
    Request,
    play,
    some,
)
from tests.support.recorded_operations import RecordedOperations

GRAPHS = frozenset({Acceleration.ATTENTION, Acceleration.GRAPHS})
NUM_COLUMNS, NUM_BLOCKS = 3, 9
MAX_NUM_SEQS = 11
SCRATCH_SLOT = (NUM_BLOCKS - 1) * BLOCK_SIZE


def engine_with_graphs(family: str, capture: Any, num_blocks: int = 128, **bounds: Any) -> Engine:
    config = EngineConfig(Path("unused"), accelerations=GRAPHS, **bounds)
    return build_engine(tiny_model(family).train(mode=False), config, num_blocks, Backend(capture=capture))


def overlapping_engine_with_graphs(num_blocks: int, **bounds: Any) -> Engine:
    config = EngineConfig(Path("unused"), accelerations=GRAPHS | {Acceleration.OVERLAP}, **bounds)
    backend = Backend(capture=RecordedOperations(), launch_work=DeferredDevice().launch)
    return build_engine(tiny_model().train(mode=False), config, num_blocks, backend)


@pytest.mark.parametrize("family", ["llama", "mistral"])
@some
@given(requests=REQUESTS, bounds=BOUNDS)
@example(requests=OFTEN_PREEMPTED, bounds=FEW_BLOCKS)
def test_tokens_are_those_of_the_plain_engine_whatever_comes_and_leaves_when(
    family: str, checkpoint: Any, requests: list[Request], bounds: dict[str, Any]
) -> None:
    params = [SamplingParams(request.max_tokens, eos_token_ids=EOS) for request in requests]
    plain = play(make_engine(checkpoint(family), **bounds), requests, params)
    assert play(engine_with_graphs(family, RecordedOperations(), **bounds), requests, params) == plain


@some
@given(requests=REQUESTS, bounds=BOUNDS)
@example(requests=OFTEN_PREEMPTED, bounds=FEW_BLOCKS)
def test_tokens_stay_the_same_while_the_next_step_is_launched(
    checkpoint: Any, requests: list[Request], bounds: dict[str, Any]
) -> None:
    params = [SamplingParams(request.max_tokens, eos_token_ids=EOS) for request in requests]
    plain = play(make_engine(checkpoint("llama"), **bounds), requests, params)
    ours = play(overlapping_engine_with_graphs(**bounds), requests, params)
    for request, tokens, expected in zip(requests, ours, plain, strict=True):
        # How many there are when a request leaves depends on how many steps are in flight.
        num_tokens = None if request.abort_after is None else min(len(tokens), len(expected))
        assert tokens[:num_tokens] == expected[:num_tokens]


@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3"])
def test_every_number_of_sequences_is_replayed_with_the_same_tokens(
    family: str, checkpoint: Callable[[str], Path]
) -> None:
    capture, plain = RecordedOperations(), make_engine(checkpoint(family), num_blocks=256)
    replaying = engine_with_graphs(family, capture, num_blocks=256, max_num_seqs=MAX_NUM_SEQS)
    for num_sequences in [*range(1, MAX_NUM_SEQS + 1), 3]:
        capture.num_replayed = 0
        for engine in (plain, replaying):
            for place in range(num_sequences):
                engine.submit(str(place), [3 + num_sequences] * (1 + 5 * place), SamplingParams(4))
        expected, outputs = finish(plain), finish(replaying)
        for place in range(num_sequences):
            assert tokens_of(outputs, str(place)) == tokens_of(expected, str(place))
        assert capture.num_replayed >= 3


def test_a_failed_step_leaves_the_graphs_as_they_are(checkpoint: Callable[[str], Path]) -> None:
    capture, tokens = RecordedOperations(), []
    for engine in (make_engine(checkpoint("llama")), engine_with_graphs("llama", capture, max_num_seqs=4)):
        engine.submit("fails", [5] * 20, SamplingParams(12))
        engine.step()
        assert fail_step(engine) == ["fails"]
        for place in range(3):
            engine.submit(str(place), [5 + place] * 20, SamplingParams(12))
        outputs = finish(engine)
        tokens.append([tokens_of(outputs, str(place)) for place in range(3)])
    assert tokens[0] == tokens[1]
    assert capture.num_captured == len(graph_sizes(4))
    assert capture.num_replayed > 9


class Inputs:
    """A forward whose logits are its inputs, and which notes all rows that it saw, padding too.

    Attributes:
        seen: Token id, position, slot, length and block table of each row of the last step.
    """

    def __init__(self) -> None:
        self.seen = torch.zeros((MAX_NUM_SEQS, 4 + NUM_COLUMNS))

    def __call__(self, ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor, batch: PackedBatch) -> Any:
        assert batch.paged_decode is not None
        table, lengths = batch.paged_decode.block_table, batch.paged_decode.lengths
        columns = torch.stack((ids[0], positions[0], batch.slot_mapping, lengths), dim=1)
        rows = torch.cat((columns, table), dim=1)[last].float()
        batch.kv_cache[0].flatten(0, 1).index_copy_(0, batch.slot_mapping, ids[0, :, None, None].float())
        self.seen[: len(rows)] = rows
        return rows


def a_cache() -> list[torch.Tensor]:
    return [torch.zeros((NUM_BLOCKS, BLOCK_SIZE, 1, 1))]


def graphs_of(forward: Any, cache: list[torch.Tensor], capture: Any = None) -> DecodeGraphs:
    capture = capture or RecordedOperations()
    return DecodeGraphs(forward, capture, cache, paged_decode_reference, NUM_COLUMNS, MAX_NUM_SEQS)


def step(num_sequences: int, seed: int, cache: list[torch.Tensor]) -> tuple[Any, ...]:
    """A step's arguments, drawn at random; no two sequences have the same slot."""
    torch.manual_seed(seed)
    table = torch.randint(NUM_BLOCKS - 1, (num_sequences, NUM_COLUMNS), dtype=torch.int32)
    lengths = torch.randint(1, 48, (num_sequences,), dtype=torch.int32)
    slots = torch.randperm(SCRATCH_SLOT)[:num_sequences]
    ids, positions = torch.randint(1, 300, (2, 1, num_sequences))
    paged = PagedDecode(paged_decode_reference, table, lengths)
    return ids, positions, torch.arange(num_sequences), PackedBatch(cache, slots, [], [], paged)


@some
@given(
    steps=st.lists(st.tuples(st.integers(1, MAX_NUM_SEQS + 2), st.integers(0, 99)), min_size=1, max_size=5),
)
def test_each_input_reaches_its_row_and_padding_reaches_nobody(steps: list[tuple[int, int]]) -> None:
    replaying, plain = Inputs(), Inputs()
    plain.seen = torch.zeros((MAX_NUM_SEQS + 2, 4 + NUM_COLUMNS))
    cache, expected_cache = a_cache(), a_cache()
    graphs = graphs_of(replaying, cache)
    for num_sequences, seed in steps:
        if num_sequences > MAX_NUM_SEQS:
            replaying.seen = torch.zeros_like(plain.seen)
        logits = graphs(*step(num_sequences, seed, cache))
        assert torch.equal(logits, plain(*step(num_sequences, seed, expected_cache)))
        assert torch.equal(cache[0][:-1], expected_cache[0][:-1])


@pytest.mark.parametrize(("num_sequences", "size"), [(1, 1), (3, 4), (5, 8), (8, 8), (9, 11)])
def test_padding_has_length_0_and_writes_to_nobodys_block(num_sequences: int, size: int) -> None:
    forward, cache = Inputs(), a_cache()
    graphs = graphs_of(forward, cache)
    graphs(*step(MAX_NUM_SEQS, 1, cache))
    forward.seen.fill_(-1)
    graphs(*step(num_sequences, 2, cache))
    assert forward.seen[num_sequences:size, 2:4].tolist() == [[SCRATCH_SLOT, 0]] * (size - num_sequences)
    assert (forward.seen[size:] == -1).all()


def test_capturing_begins_with_the_largest_and_tells_how_far_it_is() -> None:
    sizes: list[int] = []

    def forward(ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        sizes.append(ids.shape[1])
        return ids[0, :, None].float()

    told: list[tuple[str, int, int]] = []
    with progress_told(lambda *progress: told.append(progress)):
        graphs_of(forward, a_cache())
    assert list(dict.fromkeys(sizes)) == [11, 8, 4, 2, 1]
    assert told == [("capturing graphs", num_done, 5) for num_done in range(1, 6)]


@pytest.mark.parametrize(
    ("max_num_seqs", "sizes"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (20, [1, 2, 4, 8, 16, 20])],
)
def test_some_numbers_of_sequences_are_captured(max_num_seqs: int, sizes: list[int]) -> None:
    assert graph_sizes(max_num_seqs) == sizes


def test_no_more_than_256_sequences_are_captured() -> None:
    assert graph_sizes(1000)[-3:] == [240, 248, 256]
    assert len(graph_sizes(1000)) == 35


def asks_the_device(ids: torch.Tensor, *rest: Any) -> torch.Tensor:
    return ids[0, :, None].float() + (1 if ids[0, 0] > 1 else 0)


def forgets_to_replay(run: Callable[[], None]) -> Callable[[], None]:
    run()
    return lambda: None


forgets_to_replay.free_bytes = lambda: 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("forward", "capture", "reason"),
    [
        (asks_the_device, None, "operation not permitted when stream is capturing"),
        (lambda ids, *rest: ids[0, :, None].float(), forgets_to_replay, "its logits differ by 5.0e-01"),
    ],
)
def test_what_can_t_be_captured_right_runs_eagerly_and_the_log_says_why(
    forward: Any, capture: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = a_cache()
    graphs = graphs_of(forward, cache, capture)
    assert "steps of 8 sequences run without a CUDA graph" in caplog.text
    assert reason in caplog.text
    arguments = step(7, 1, cache)
    assert torch.equal(graphs(*arguments), forward(*arguments))


def test_a_number_that_can_t_be_captured_is_padded_to_the_next_one() -> None:
    class Choosy(RecordedOperations):
        num_asked = 0

        def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
            self.num_asked += 1
            if self.num_asked == 3:  # 4 sequences, after 11 and 8
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().__call__(run)

    forward, cache, capture = Inputs(), a_cache(), Choosy()
    graphs = graphs_of(forward, cache, capture)
    logits = graphs(*step(3, 1, cache)).clone()
    assert capture.num_replayed == capture.num_captured + 1 == 5
    assert torch.equal(logits, Inputs()(*step(3, 1, a_cache())))


def test_a_cache_that_was_moved_is_noticed() -> None:
    graphs = graphs_of(Inputs(), a_cache())
    with pytest.raises(AssertionError, match="the KV cache was moved"):
        graphs(*step(2, 1, a_cache()))


def test_models_and_devices_that_have_no_graphs_are_refused() -> None:
    with pytest.raises(AccelerationError, match="--accelerate graphs does not work for a model of type gemma2"):
        engine_with_graphs("gemma2", RecordedOperations())
    with pytest.raises(AccelerationError, match="graphs needs a CUDA device, and this one is cpu"):
        engine_with_graphs("llama", None)
