"""A checkpoint that the engine would compute wrongly is refused before it is served, with the reason."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from service.engine.errors import UnsupportedModelError
from service.engine.startup.build import build_engine
from service.engine.startup.self_check import SelfCheck
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import FAMILIES, LLAMA_3_ROPE, tiny_model
from tests.support.engines import engine_on_a_copy, finish, make_engine, tokens_of

LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 8,
    "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 128,
}
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
SMALL_MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16}
DEEPSEEK = SMALL_MLA | {"num_key_value_heads": 4, "first_k_dense_replace": 2}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("falcon", {}, "does not let its attention be replaced"),
    ("bloom", {"n_head": 4}, "does not let its attention be replaced"),
    ("mamba", {}, "does not let its attention be replaced"),
    (
        "llama",
        {"rope_parameters": LLAMA_3_ROPE | {"rope_type": "dynamic"}},
        r"dynamic, depend on the batch\. Where",
    ),
    ("gemma3", {"rope_parameters": {"full_attention": LONGROPE, "sliding_attention": ROPE}}, "longrope, depend on the"),
    ("gpt_oss", {"head_dim": 16, "num_local_experts": 2, "num_experts_per_tok": 1}, "s_aux is not supported"),
    ("deepseek_v3", DEEPSEEK, r"keys of \(1, 16\) and values of \(1, 8\)"),
    ("lfm2", {"layer_types": ["conv", "full_attention"]}, "layers of type conv are not known"),
    ("gemma3", {"use_bidirectional_attention": True}, "its logits differ"),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_supported_families_pass_in_every_precision(checkpoint: Any, family: str, dtype: str) -> None:
    make_engine(checkpoint(family), dtype=dtype)


@pytest.mark.parametrize(("family", "changes", "reason"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_would_be_wrong_is_refused(family: str, changes: dict[str, Any], reason: str) -> None:
    model = tiny_model(family, **changes).train(mode=False)
    message = f"^a model of type {model.config.model_type} can't be served: .*{reason}"
    with pytest.raises(UnsupportedModelError, match=message):
        build_engine(model, EngineConfig(Path("unused")), num_blocks=8)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_many_layers_that_multiply_rounding_pass(dtype: str) -> None:
    model: Any = tiny_model(num_hidden_layers=16, hidden_size=128).train(mode=False)
    engine_on_a_copy(model.to(getattr(torch, dtype)))


def test_experts_pass() -> None:
    engine_on_a_copy(tiny_model("mixtral", num_local_experts=4).train(mode=False))


def test_the_text_half_of_a_model_with_images_is_served() -> None:
    text = tiny_model("gemma3").config
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Gemma3Config(text_config=text, vision_config=vision | {"image_size": 28, "patch_size": 14})
    torch.manual_seed(0)
    model: Any = Gemma3ForConditionalGeneration(config).train(mode=False)
    engine = engine_on_a_copy(model)
    engine.submit("it", [5, 6, 7], SamplingParams(8))
    expected = model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=8, do_sample=False, eos_token_id=-1)
    assert tokens_of(finish(engine), "it") == expected[0, 3:].tolist()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("family", ["qwen2", "gemma2", "gemma3"])
def test_a_class_that_keeps_its_window_from_our_attention_is_refused(family: str, layer: int, dtype: str) -> None:
    """The window is longer than the check's tokens, so that it shows only because the check makes it shorter."""
    windows: dict[str, Any] = {
        "sliding_window": 512,
        "use_sliding_window": True,
        "layer_types": ["sliding_attention"] * 2,
    }
    model: Any = tiny_model(family, **windows).train(mode=False)
    model.to(getattr(torch, dtype)).model.layers[layer].self_attn.sliding_window = None
    with pytest.raises(UnsupportedModelError, match="its logits differ"):
        build_engine(model, EngineConfig(Path("unused")), num_blocks=8)


def test_the_check_leaves_windows_as_they_were() -> None:
    for family in ("mistral", "gemma2"):
        model: Any = tiny_model(family).train(mode=False)
        build_engine(model, EngineConfig(Path("unused")), num_blocks=8)
        assert model.config.sliding_window == 24
        assert getattr(model.model.layers[0].self_attn, "sliding_window", 24) == 24


def test_a_class_that_computes_something_else_is_refused(checkpoint: Any) -> None:
    model = load_model(checkpoint("llama"), "cpu", "float32")
    calls = iter([0.0])  # the class's own forward is unchanged, the next ones are not
    model.get_input_embeddings().register_forward_hook(lambda module, inputs, output: output + next(calls, 1.0))
    with pytest.raises(UnsupportedModelError, match="its logits differ"):
        build_engine(model, EngineConfig(Path("unused")), num_blocks=8)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_a_class_that_mixes_neighbours_outside_attention_is_refused(checkpoint: Any, family: str) -> None:
    model: Any = load_model(checkpoint(family), "cpu", "float32")
    model.model.embed_tokens.register_forward_hook(lambda module, inputs, output: output + output.roll(1, dims=-2))
    with pytest.raises(UnsupportedModelError, match="its logits differ"):
        build_engine(model, EngineConfig(Path("unused")), num_blocks=8)


def test_the_check_leaves_no_trace_in_later_tokens(checkpoint: Any) -> None:
    first, second = make_engine(checkpoint("llama"), num_blocks=8), make_engine(checkpoint("llama"), num_blocks=64)
    assert first.block_pool.num_free == 8
    assert second.block_pool.num_free == 64
    assert torch.is_grad_enabled()


def test_the_cache_is_as_wide_as_each_layer_needs() -> None:
    model: Any = tiny_model("gemma2").train(mode=False)
    widen(model.model.layers[1].self_attn)
    assert [tuple(shape) for shape in SelfCheck(model).kv_shapes] == [(2, 16), (4, 16)]
    engine = engine_on_a_copy(model)
    engine.submit("it", list(range(3, 40)), SamplingParams(8))
    expected = model.generate(torch.arange(3, 40)[None], max_new_tokens=8, do_sample=False, eos_token_id=-1)
    assert tokens_of(finish(engine), "it") == expected[0, 37:].tolist()


def widen(attention: Any) -> None:
    """Gives a layer as many KV heads as query heads."""
    for name in ("k_proj", "v_proj"):
        setattr(attention, name, torch.nn.Linear(64, 64, bias=False))
    attention.num_key_value_groups = 1


def test_a_kv_cache_without_room_is_refused(checkpoint: Any) -> None:
    with pytest.raises(ValueError, match="give it more memory"):
        make_engine(checkpoint("llama"), num_blocks=1)
