"""The largest step is tried before the KV cache is made of what is left; here on the CPU, with a meter of our own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.engine import Engine
from service.engine.startup.build import Backend, build_engine
from service.engine.startup.memory_profile import RanksMeter, largest_steps
from service.engine.startup.memory_share import DeviceMemory
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineConfig, MemoryShare
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.engines import finish, tokens_of
from tests.support.fixed_meter import BLOCK_BYTES, FixedMeter
from tests.support.thread_ranks import in_ranks

Checkpoint = Callable[[str], Path]


def measured_engine(checkpoint: Path, meter: FixedMeter) -> Engine:
    config = EngineConfig(
        checkpoint,
        max_num_seqs=5,
        max_num_batched_tokens=1500,
        kv_cache_memory_mib=0,
        accelerations=frozenset({Acceleration.ATTENTION}),
        memory_share=MemoryShare(utilization=1.0),
    )
    backend = Backend(launch_work=meter.launch, meter=meter)
    return build_engine(load_model(checkpoint, "cpu", "float32"), config, backend=backend)


def test_an_engine_makes_its_kv_cache_of_what_its_largest_step_leaves(
    checkpoint: Checkpoint, reference: Callable[..., list[int]]
) -> None:
    meter = FixedMeter(total_bytes=100 * BLOCK_BYTES - 1, step_bytes=10 * BLOCK_BYTES)
    engine = measured_engine(checkpoint("llama"), meter)
    assert (meter.num_measured, engine.info.num_kv_tokens) == (2, 89 * BLOCK_SIZE)
    assert engine.info.kv_cache_bytes == 89 * BLOCK_BYTES
    assert engine.block_pool.num_free == 89
    engine.submit("it", [5, 6, 7] * 50, SamplingParams(20))
    assert tokens_of(finish(engine), "it") == reference("llama", [5, 6, 7] * 50, 20)


@pytest.mark.parametrize("family", ["mistral", "gemma2"])
def test_models_with_windows_and_caps_are_measured_too(checkpoint: Checkpoint, family: str) -> None:
    engine = measured_engine(checkpoint(family), FixedMeter(total_bytes=50 * BLOCK_BYTES))
    assert engine.info.num_kv_tokens == 50 * BLOCK_SIZE


def test_a_device_without_room_for_a_kv_cache_is_refused_with_what_has_it_and_what_to_change(
    checkpoint: Checkpoint,
) -> None:
    meter = FixedMeter(total_bytes=10 * BLOCK_BYTES, step_bytes=7 * BLOCK_BYTES)
    with pytest.raises(ValueError, match=r"the largest step 0\.00 GB\): lower --max-num-batched-tokens or"):
        measured_engine(checkpoint("llama"), meter)


def test_the_largest_steps_have_as_many_tokens_and_rows_as_may_be_and_end_at_the_longest_sequence() -> None:
    config = EngineConfig(Path("unused"), max_num_seqs=3, max_num_batched_tokens=250)
    prefilling, decoding = largest_steps(config, max_num_tokens=100)
    assert [item.num_tokens for item in prefilling] == [100, 100, 50]
    assert [item.sequence.num_computed_tokens for item in prefilling] == [0, 0, 50]
    assert [item.num_tokens for item in decoding] == [1, 1, 1]
    assert [item.num_prompt_logits for item in prefilling] == [99, 0, 0]
    assert all(item.is_last_chunk and set(item.sequence.block_table) == {0} for item in prefilling + decoding)


def test_ranks_that_share_a_model_all_measure_the_worst_of_their_devices() -> None:
    meters = FixedMeter(total_bytes=100, step_bytes=3), FixedMeter(total_bytes=90, step_bytes=7)
    measured = in_ranks(2, lambda ranks: RanksMeter(meters[ranks.rank], ranks).measure(lambda: None))
    assert measured == [DeviceMemory(total_bytes=90, free_bytes=90, weights_bytes=0, step_bytes=7)] * 2
