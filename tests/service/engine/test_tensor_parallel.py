"""Models cut for several ranks, which are threads here: all tokens are those of the whole model."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from service.checkpoints.load import load_model
from service.engine.cut_layers import Ranks
from service.engine.engine import Engine
from service.engine.errors import UnsupportedModelError
from service.engine.messages import EngineConfig
from service.engine.sequence import SamplingParams
from service.engine.tensor_parallel import cut
from tests.checkpoints import save_tiny_model, tiny_model
from tests.service.engine.conftest import finish, tokens_of
from tests.service.engine.thread_ranks import ThreadRanks, in_ranks

Checkpoint = Callable[[str], Path]
PROMPTS = [[5, 6, 7], list(range(40, 90)), [9]]
CUT_FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3"]

_one_loads = threading.Lock()  # transformers changes torch's defaults while it loads


def load_part(checkpoint: Path, ranks: Ranks) -> PreTrainedModel:
    with _one_loads:
        return load_model(checkpoint, "cpu", "float32", ranks=ranks)


def completions(checkpoint: Path, ranks: Ranks) -> list[list[int]]:
    engine = Engine(
        load_part(checkpoint, ranks), EngineConfig(checkpoint, max_num_batched_tokens=16, max_num_seqs=4), 64
    )
    for row, prompt in enumerate(PROMPTS):
        engine.submit(str(row), prompt, SamplingParams(20))
    outputs = finish(engine)
    return [tokens_of(outputs, str(row)) for row in range(len(PROMPTS))]


def alone(rank: int, size: int) -> ThreadRanks:
    """A rank that never speaks to the others."""
    return ThreadRanks(rank, [torch.empty(0)] * size, threading.Barrier(size))


def num_weights(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("family", CUT_FAMILIES)
def test_each_rank_computes_the_tokens_of_the_whole_model(
    family: str, checkpoint: Checkpoint, reference: Callable[..., list[int]]
) -> None:
    expected = [reference(family, prompt, 20) for prompt in PROMPTS]
    assert in_ranks(2, lambda ranks: completions(checkpoint(family), ranks)) == [expected] * 2


@pytest.mark.parametrize(
    "changes", [{"tie_word_embeddings": True}, {"vocab_size": 321}], ids=["tied", "odd vocabulary"]
)
def test_embeddings_are_shared_and_need_not_be_divisible(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path, **changes)
    whole = load_model(folder, "cpu", "float32")
    ids = torch.tensor([[5, 320 % whole.config.vocab_size, 7, 200]])
    with torch.inference_mode():
        parts = in_ranks(2, lambda ranks: load_part(folder, ranks)(ids).logits)
        for part in parts:
            torch.testing.assert_close(part, whole(ids).logits)


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_rank_keeps_its_part_of_every_matrix(is_tied: bool) -> None:
    model = tiny_model("qwen2", tie_word_embeddings=is_tied)
    num_whole = sum(p.numel() for name, p in model.named_parameters() if "norm" in name)
    num_cut = num_weights(model) - num_whole
    cut(model, alone(1, 2))
    assert num_weights(model) == num_whole + num_cut // 2


@pytest.mark.parametrize(
    ("family", "size", "changes", "reason"),
    [
        ("llama", 3, {}, "its 4 attention heads can't be divided by 3; possible: 2"),
        ("llama", 4, {}, "its 2 key-value heads can't be divided by 4; possible: 2"),
        (
            "llama",
            2,
            {"intermediate_size": 127},
            "the 127 outputs of .*gate_proj can't be divided by 2; possible: none",
        ),
        ("mixtral", 2, {"num_local_experts": 2}, "only those of type .* were compared with whole ones"),
    ],
)
def test_what_can_not_be_cut_is_refused_with_the_reason(
    family: str, size: int, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=f"can't be cut for {size} devices: {reason}"):
        cut(tiny_model(family, **changes), alone(0, size))


def test_quantized_weights_are_not_cut(checkpoint: Checkpoint) -> None:
    with pytest.raises(UnsupportedModelError, match="q_proj is quantized, and only plain weights are cut so far"):
        load_model(checkpoint("llama"), "cpu", "float32", "int8", alone(0, 2))
