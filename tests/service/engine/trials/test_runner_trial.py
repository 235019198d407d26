"""Ways to run a model as a whole are compared with the plain way, and timed."""

import itertools
from pathlib import Path

import pytest
import torch

from service.engine.attention.flex import FlexAttention
from service.engine.attention.packed_prefill import PrefillAttention
from service.engine.attention.paged_decode import DecodeAttention, paged_decode_reference
from service.engine.attention.varlen import VarlenAttention
from service.engine.startup.build import Backend
from service.engine.trials.runner_program import answer_to
from service.engine.trials.runner_trial import RunnerTrial, WrongLogitsError, load_first_layers
from service.engine_protocol.acceleration import Acceleration, AccelerationError
from service.engine_protocol.engine_config import EngineConfig
from tests.support.checkpoints import save_tiny_model
from tests.support.ragged_attention import WrongBeyond, varlen_as_documented
from tests.support.recorded_operations import RecordedOperations

ROWS, TOKENS = (1, 4, 128), (70, 300, 2048)
ATTENTION, VARLEN, FLEX = (frozenset({Acceleration(name)}) for name in ("attention", "varlen", "flex"))


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(save_tiny_model(tmp_path, num_hidden_layers=6), max_num_seqs=8)


def trial(
    config: EngineConfig, attention: DecodeAttention | None = None, prefill: PrefillAttention | None = None
) -> RunnerTrial:
    ticks = itertools.count()
    backend = Backend(decode_attention=attention, prefill_attention=prefill, capture=RecordedOperations())
    return RunnerTrial(config, ROWS, TOKENS, backend, clock=lambda: next(ticks) / 1000)


def test_only_the_first_layers_are_loaded(config: EngineConfig) -> None:
    model = load_first_layers(config)
    assert model.config.num_hidden_layers == 4
    assert torch.isfinite(model(torch.tensor([[1, 2, 3]])).logits).all()


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2"])
def test_ways_that_are_right_are_timed_at_the_numbers_of_rows_that_can_be(tmp_path: Path, family: str) -> None:
    tried = trial(EngineConfig(save_tiny_model(tmp_path, family), max_num_seqs=8), paged_decode_reference)
    for accelerations in (frozenset(), {Acceleration.OVERLAP}, ATTENTION):
        assert tried.times_us(frozenset(accelerations)) == pytest.approx({1: 125.0, 4: 125.0})


def wrong_for_long_sequences(query, cache, block_table, lengths, params):
    output = paged_decode_reference(query, cache, block_table, lengths, params)
    return output * (1 + 0.2 * (lengths > 40))[:, None, None]


def test_an_attention_that_is_wrong_only_for_longer_sequences_is_found(config: EngineConfig) -> None:
    with pytest.raises(WrongLogitsError, match="logits differ by"):
        trial(config, wrong_for_long_sequences).times_us(ATTENTION)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("family", "ways", "prefill"),
    [
        ("llama", frozenset(), None),
        ("mistral", VARLEN, VarlenAttention(varlen_as_documented)),
        ("gemma2", FLEX, FlexAttention()),
    ],
)
def test_ways_of_prompts_are_timed_at_the_numbers_of_tokens_that_can_be(
    tmp_path: Path, family: str, ways: frozenset[Acceleration], prefill: PrefillAttention | None
) -> None:
    config = EngineConfig(save_tiny_model(tmp_path, family), max_num_seqs=8, max_num_batched_tokens=400)
    times_us = trial(config, prefill=prefill).prefill_times_us(ways)
    assert times_us == pytest.approx({70: 125.0, 300: 125.0, 400: 125.0})


def test_a_way_of_prompts_that_is_wrong_only_for_longer_ones_is_found(config: EngineConfig) -> None:
    with pytest.raises(WrongLogitsError, match="logits differ by"):
        trial(config, prefill=WrongBeyond(varlen_as_documented)).prefill_times_us(VARLEN)


def test_steps_that_are_replayed_are_compared_too_and_their_memory_is_measured(config: EngineConfig) -> None:
    tried = trial(config, paged_decode_reference)
    assert tried.times_us(ATTENTION | {Acceleration.GRAPHS})
    assert tried.graphs_bytes == (1 << 20, 3 << 20)  # of 8, 4, 2 and 1 sequences
    tried.times_us(ATTENTION)
    assert tried.graphs_bytes == (0, 0)


def test_a_way_that_does_not_work_with_a_model_says_so(tmp_path: Path) -> None:
    tried = trial(EngineConfig(save_tiny_model(tmp_path, "gemma2"), max_num_seqs=8), paged_decode_reference)
    with pytest.raises(AccelerationError, match="graphs does not work for a model of type gemma2"):
        tried.times_us(ATTENTION | {Acceleration.GRAPHS})


def test_the_program_answers_for_each_way(config: EngineConfig) -> None:
    plain = {"device": "cpu", "dtype": "float32", "quantization": "", "max_num_seqs": 8, "max_num_batched_tokens": 512}
    question = {"checkpoint": str(config.checkpoint), "rows": [1, 8], "prefilled_tokens": [64], "config": plain}
    decoding, prefill = {**question, "what": "accelerations"}, {**question, "what": "prefill"}
    assert set(answer_to({**decoding, "accelerations": ["overlap"]})["times_us"]) == {1, 8}
    assert set(answer_to({**prefill, "accelerations": ["overlap"]})["times_us"]) == {64}
    nowhere = answer_to({**decoding, "checkpoint": "/nowhere", "accelerations": []})
    assert nowhere["failed"].startswith("FileNotFoundError: ")
    here = answer_to({**prefill, "accelerations": ["varlen"]})
    assert here == {"failed": "AccelerationError: varlen does not run on cpu: PyTorch has that kernel for CUDA only"}


def test_packed_weights_of_the_first_layers_are_loaded_too(tmp_path: Path) -> None:
    checkpoint = save_tiny_model(tmp_path, num_hidden_layers=6)
    config = EngineConfig(checkpoint, quantization="int8", max_num_seqs=4)
    times = trial(config, paged_decode_reference).times_us(frozenset({Acceleration.ATTENTION}))
    assert set(times) == {1, 4}
