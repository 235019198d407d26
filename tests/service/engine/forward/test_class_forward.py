"""A model that its class runs computes the same on a CPU with packed matrices, of which each is there once."""

import copy
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from service.engine.forward.class_forward import class_forward
from service.engine.linears.plain import is_plain_linear
from service.engine.linears.ways import products_chosen
from service.engine.tolerances import relative_error
from tests.support.checkpoints import tiny_model

IDS = torch.tensor([[5, 9, 2, 77, 31]])


def linears(model: PreTrainedModel) -> list[Any]:
    return [module for module in model.modules() if is_plain_linear(module)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("family", "is_tied"), [("gemma2", True), ("gemma2", False), ("llama", True)])
@torch.inference_mode()
def test_packed_matrices_give_the_same_logits(family: str, is_tied: bool, dtype: torch.dtype) -> None:
    model: Any = tiny_model(family, tie_word_embeddings=is_tied)
    model.to(dtype)
    expected = model(IDS).logits
    class_forward(model)
    assert relative_error(model(IDS).logits, expected) < {torch.float32: 1e-5}.get(dtype, 3e-2)


def test_only_a_head_with_an_embedding_that_does_more_stays_as_it_was() -> None:
    model: Any = tiny_model("gemma2", tie_word_embeddings=True)
    class_forward(model)
    assert [layer for layer in linears(model) if layer.weight.numel()] == [model.lm_head]
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_plain_embedding_reads_the_heads_matrix() -> None:
    model: Any = tiny_model("llama", tie_word_embeddings=True)
    expected = model.model.embed_tokens(IDS)
    class_forward(model)
    assert not any(layer.weight.numel() for layer in (*linears(model), model.model.embed_tokens))
    assert torch.equal(model.model.embed_tokens(IDS), expected)


@torch.inference_mode()
def test_what_linear_multiplies_is_stored_by_columns() -> None:
    model: Any = tiny_model("llama", tie_word_embeddings=True)
    expected = copy.deepcopy(model)(IDS).logits
    with products_chosen("linear"):
        class_forward(model)
    assert all(layer.weight.t().is_contiguous() for layer in linears(model))
    assert model.lm_head.weight is model.model.embed_tokens.weight
    torch.testing.assert_close(model(IDS).logits, expected)
