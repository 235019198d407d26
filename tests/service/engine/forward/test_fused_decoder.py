"""The fused decoder computes what the class's own forward computes."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from service.engine.families import FAMILIES
from service.engine.forward.fused_decoder import can_fuse
from service.engine.forward.kv_cache import bytes_per_block
from service.engine.forward.model_runner import ModelRunner
from tests.support.checkpoints import LLAMA_3_ROPE, tiny_model
from tests.support.logits_in_company import NUM_BLOCKS, TOKEN_IDS, logits_in_company, shapes

LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}
YARN_ROPE = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 256}
WINDOW_IN_LATER_LAYERS = {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1}
COVERED: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"head_dim": 24, "num_key_value_heads": 1}),
    ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    ("llama", {"rope_parameters": LLAMA_3_ROPE}),
    ("llama", {"rope_parameters": LINEAR_ROPE}),
    ("llama", {"rope_parameters": YARN_ROPE}),
    ("llama", {"sliding_window": 5}),  # the class does not know it, and neither may we
    ("mistral", {"head_dim": 24}),
    ("mistral", {"sliding_window": None}),
    ("qwen2", {}),
    ("qwen2", WINDOW_IN_LATER_LAYERS),
    ("qwen3", {"head_dim": 24}),
    ("qwen3", {"attention_bias": True, **WINDOW_IN_LATER_LAYERS}),
    ("phi3", {}),
    ("phi3", {"sliding_window": None, "num_key_value_heads": 4}),
]


def make_runner(model: PreTrainedModel) -> ModelRunner:
    return ModelRunner(model, shapes(model), NUM_BLOCKS)


@pytest.mark.parametrize(("family", "changes"), COVERED, ids=str)
# The classes norm in float32 even then.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 2e-6)], ids=str)
@torch.inference_mode()
def test_logits_are_those_of_the_class(
    family: str, changes: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    model: Any = tiny_model(family, **changes).train(mode=False)
    model.to(dtype)
    expected = model(torch.tensor([TOKEN_IDS])).logits[0, 29:]
    assert can_fuse(model)
    logits = logits_in_company(make_runner(model), 30)
    assert (logits - expected).norm() < tolerance * expected.norm()


def test_each_type_that_is_fused_is_compared() -> None:
    assert {family for family, _ in COVERED} == {it for it, family in FAMILIES.items() if family.is_fused}


class Doubling(nn.Linear):
    """Stands for a quantized layer: it has a weight, but computes in its own way."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(hidden)


def with_another_activation() -> PreTrainedModel:
    return tiny_model(hidden_act="gelu")


def with_a_layer_of_its_own() -> PreTrainedModel:
    model: Any = tiny_model()
    attention = model.model.layers[1].self_attn
    own = Doubling(64, 64, bias=False)
    own.load_state_dict(attention.q_proj.state_dict())
    attention.q_proj = own
    return model


class Packed(torch.Tensor):
    """Stands for quantized weights: an ordinary layer, but a tensor of another class."""


def with_a_tensor_of_its_own() -> PreTrainedModel:
    model: Any = tiny_model()
    projection = model.model.layers[1].self_attn.q_proj
    projection.weight = nn.Parameter(projection.weight.detach().as_subclass(Packed), requires_grad=False)
    return model


@pytest.mark.parametrize("make", [with_another_activation, with_a_layer_of_its_own, with_a_tensor_of_its_own])
@torch.inference_mode()
def test_what_is_not_covered_runs_through_the_class(make: Any) -> None:
    model = make().train(mode=False)
    expected = model(torch.tensor([TOKEN_IDS])).logits[0, 29:]
    assert not can_fuse(model)
    logits = logits_in_company(make_runner(model), 30)
    assert (logits - expected).norm() < 1e-5 * expected.norm()


@pytest.fixture
def stored_bytes() -> Iterator[Callable[[], int]]:
    """Tells how much the tensors take that were made in this test and are alive."""

    def count() -> int:
        gc.collect()
        tensors = [it for it in gc.get_objects() if type(it) in (torch.Tensor, nn.Parameter)]
        storages = [tensor.untyped_storage() for tensor in tensors]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    gc.freeze()  # what there is already is left out
    yield count
    gc.unfreeze()


@pytest.mark.parametrize("family", ["llama", "gemma2", "phi3"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_no_weight_is_kept_twice(stored_bytes: Callable[[], int], family: str, is_tied: bool) -> None:
    """In bfloat16, since PyTorch does not tell how large the matrices are that float32 on a CPU packs."""
    model: Any = tiny_model(family, tie_word_embeddings=is_tied).bfloat16()
    before = stored_bytes()
    norms = [it for name, it in model.named_parameters() if "norm" in name]
    runner = make_runner(model)
    float_norms = 4 * sum(it.numel() for it in norms) if runner.is_native else 0
    assert stored_bytes() == before + float_norms + (NUM_BLOCKS + 1) * bytes_per_block(shapes(model), torch.bfloat16)
    del runner
