"""A start takes its steps in one order: the KV cache's size, then the self-check, then the graphs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.engine import Engine
from service.engine.errors import UnsupportedModelError
from service.engine.startup.build import Backend, build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, MemoryShare
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import finish, tokens_of
from tests.support.fixed_meter import BLOCK_BYTES, FixedMeter
from tests.support.recorded_operations import RecordedOperations

Checkpoint = Callable[[str], Path]
GIB = 1 << 30


def build(
    checkpoint: Path, capture: RecordedOperations, token_offset: int = 0, num_blocks: int | None = None
) -> Engine:
    """An engine with graphs and a KV cache that is measured, if its size is not given.

    With an offset the class computes something else from then on.
    """
    model = load_model(checkpoint, "cpu", "float32")
    calls = iter([0.0])
    if token_offset:
        model.get_input_embeddings().register_forward_hook(
            lambda module, inputs, output: output + next(calls, token_offset)
        )
    accelerations = frozenset({Acceleration.ATTENTION, Acceleration.GRAPHS})
    share = MemoryShare(utilization=1.0)
    config = EngineConfig(
        checkpoint, max_num_seqs=4, kv_cache_memory_mib=0, accelerations=accelerations, memory_share=share
    )
    meter = FixedMeter(total_bytes=GIB + 40 * BLOCK_BYTES)  # 1 GiB is kept for graphs
    return build_engine(model, config, num_blocks, Backend(capture=capture, meter=meter))


def test_graphs_are_captured_on_the_measured_kv_cache(
    checkpoint: Checkpoint, reference: Callable[..., list[int]]
) -> None:
    capture = RecordedOperations()
    engine = build(checkpoint("llama"), capture)
    assert engine.info.num_kv_tokens == 40 * BLOCK_SIZE
    capture.num_replayed = 0
    engine.submit("it", [5, 6, 7], SamplingParams(20))
    assert tokens_of(finish(engine), "it") == reference("llama", [5, 6, 7], 20)
    assert capture.num_replayed == 19


def test_nothing_is_captured_of_a_model_that_the_check_refuses(checkpoint: Checkpoint) -> None:
    capture = RecordedOperations()
    with pytest.raises(UnsupportedModelError, match="its logits differ"):
        build(checkpoint("llama"), capture, token_offset=1)
    assert capture.num_captured == 0


def test_a_kv_cache_whose_size_is_given_is_not_measured(checkpoint: Checkpoint) -> None:
    engine = build(checkpoint("llama"), RecordedOperations(), num_blocks=8)
    assert engine.info.num_kv_tokens == 8 * BLOCK_SIZE
