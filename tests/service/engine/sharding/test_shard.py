"""Models sharded over several ranks, which are threads here: all tokens are those of the whole model."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from service.checkpoints.headers import read_weights
from service.checkpoints.memory import weights_bytes
from service.engine.errors import UnsupportedModelError
from service.engine.families import FAMILIES
from service.engine.sharding.layers import Ranks
from service.engine.sharding.shard import shard_model
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import save_tiny_model, tiny_model
from tests.support.engines import finish, tokens_of
from tests.support.thread_ranks import ThreadRanks, in_ranks

Checkpoint = Callable[[str], Path]
Reference = Callable[..., list[int]]

PROMPTS = [[5, 6, 7], list(range(40, 90)), [9]]
SHARDED_FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"]
KINDS: dict[str, dict[str, Any]] = {"plain": {}, "tied": {"tie_word_embeddings": True}, "odd": {"vocab_size": 321}}

_one_loads = threading.Lock()  # transformers changes torch's defaults while it loads


def load_shard(checkpoint: Path, ranks: Ranks) -> PreTrainedModel:
    with _one_loads:
        return load_model(checkpoint, "cpu", "float32", ranks=ranks)


def completions(checkpoint: Path, ranks: Ranks, **changes: Any) -> list[list[int]]:
    config = EngineConfig(checkpoint, max_num_seqs=4, max_num_batched_tokens=16, **changes)
    engine = build_engine(load_shard(checkpoint, ranks), config, num_blocks=64)
    for row, prompt in enumerate(PROMPTS):
        engine.submit(str(row), prompt, SamplingParams(20))
    outputs = finish(engine)
    return [tokens_of(outputs, str(row)) for row in range(len(PROMPTS))]


def alone(rank: int, size: int) -> ThreadRanks:
    """A rank that never speaks to the others."""
    return ThreadRanks(rank, [torch.empty(0)] * size, threading.Barrier(size))


def test_each_type_that_is_sharded_is_compared() -> None:
    compared = {tiny_model(family).config.model_type for family in SHARDED_FAMILIES}
    assert compared == {it for it, family in FAMILIES.items() if family.is_sharded}


@pytest.mark.parametrize("family", SHARDED_FAMILIES)
def test_each_rank_computes_the_tokens_of_the_whole_model(
    family: str, checkpoint: Checkpoint, reference: Reference
) -> None:
    expected = [reference(family, prompt, 20) for prompt in PROMPTS]
    assert in_ranks(2, lambda ranks: completions(checkpoint(family), ranks)) == [expected] * 2


def test_ranks_attend_straight_from_their_blocks(checkpoint: Checkpoint, reference: Reference) -> None:
    expected = [reference("mistral", prompt, 20) for prompt in PROMPTS]
    changes = {"accelerations": frozenset({Acceleration.ATTENTION})}
    assert in_ranks(2, lambda ranks: completions(checkpoint("mistral"), ranks, **changes)) == [expected] * 2


@pytest.mark.parametrize(
    "changes", [KINDS["tied"], KINDS["odd"], {"attention_bias": True, "mlp_bias": True}], ids=["tied", "odd", "biased"]
)
def test_each_rank_computes_the_logits_of_the_whole_model(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path, **changes)
    whole = load_model(folder, "cpu", "float32")
    ids = torch.tensor([[5, 319, 7, 200]])
    with torch.inference_mode():
        for logits in in_ranks(2, lambda ranks: load_shard(folder, ranks)(ids).logits):
            torch.testing.assert_close(logits, whole(ids).logits)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rank_has_as_many_bytes_of_weights_as_are_reckoned(kind: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path, **KINDS[kind])
    model = load_model(folder, "cpu", "float32", ranks=alone(1, 2))
    num_bytes = sum(parameter.nbytes for parameter in model.parameters())
    assert num_bytes == weights_bytes(read_weights(folder), num_ranks=2)
    assert num_bytes < 0.8 * weights_bytes(read_weights(folder))


@pytest.mark.parametrize(
    ("family", "size", "changes", "reason"),
    [
        ("llama", 3, {}, "its 4 attention heads can't be divided by 3; possible: 2"),
        ("llama", 4, {}, "its 2 key-value heads can't be divided by 4; possible: 2"),
        (
            "llama",
            2,
            {"intermediate_size": 127},
            "the 127 outputs of .*gate_proj can't be divided by 2",
        ),
        ("mixtral", 2, {"num_local_experts": 2}, "only those of type .* were compared with whole ones"),
    ],
)
def test_what_can_not_be_sharded_is_refused_with_the_reason(
    family: str, size: int, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"can't be cut for {size} devices: {reason}"):
        shard_model(tiny_model(family, **changes), alone(0, size))


def test_quantized_weights_are_not_sharded(checkpoint: Checkpoint) -> None:
    with pytest.raises(UnsupportedModelError, match="q_proj is quantized, and only plain weights are cut so far"):
        load_model(checkpoint("llama"), "cpu", "float32", "int8", alone(0, 2))
