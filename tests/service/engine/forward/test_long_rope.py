"""LongRoPE: each sequence is turned by the factors of its own length, and has the tokens of transformers' generate."""

import copy
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.errors import UnsupportedModelError
from service.engine.forward.long_rope import LongRope
from service.engine.forward.model_runner import ModelRunner
from service.engine.startup.self_check import SelfCheck
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import LONG_ROPE, LONG_ROPE_LENGTH, long_rope_model, tiny_model
from tests.support.engines import engine_on_a_copy, finish, is_whole, tokens_of

ORIGINAL = LONG_ROPE_LENGTH
SHORT, CROSSING, AT_THE_EDGE, LONG = (
    [(step * 37 + row * 11 + 5) % 320 for step in range(size)] for row, size in enumerate((5, 30, ORIGINAL, 70))
)
MAX_TOKENS = 24


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return long_rope_model()


def generate(model: Any, prompt: list[int], max_tokens: int = MAX_TOKENS) -> list[int]:
    ids = torch.tensor([prompt])
    settings: dict[str, Any] = {"do_sample": False, "eos_token_id": 320, "pad_token_id": 0}
    output = copy.deepcopy(model).generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, **settings
    )
    tokens: list[int] = output[0, len(prompt) :].tolist()
    return tokens


def completions(engine: Engine, *prompts: list[int], max_tokens: int = MAX_TOKENS) -> list[list[int]]:
    for row, prompt in enumerate(prompts):
        engine.submit(str(row), prompt, SamplingParams(max_tokens, temperature=0.0))
    outputs = finish(engine)
    assert is_whole(engine)
    return [tokens_of(outputs, str(row)) for row in range(len(prompts))]


def test_the_two_lengths_have_different_tokens(model: PreTrainedModel) -> None:
    """Or the tests below would see nothing."""
    assert generate(long_rope_model(1000), LONG) != generate(model, LONG)


@pytest.mark.parametrize(
    "settings",
    [{}, {"max_num_batched_tokens": 16, "max_num_seqs": 4}, {"accelerations": frozenset({Acceleration.OVERLAP})}],
    ids=["whole", "in chunks", "ahead"],
)
def test_each_has_the_tokens_of_generate_beside_all_others(model: PreTrainedModel, settings: dict[str, Any]) -> None:
    prompts = [SHORT, CROSSING, AT_THE_EDGE, LONG]
    engine = engine_on_a_copy(model, **settings)
    assert completions(engine, *prompts) == [generate(model, prompt) for prompt in prompts]


def test_a_full_cache_changes_none(model: PreTrainedModel) -> None:
    prompts = [CROSSING, AT_THE_EDGE, LONG]
    engine = engine_on_a_copy(model, num_blocks=7)
    assert completions(engine, *prompts) == [generate(model, prompt) for prompt in prompts]
    assert engine.scheduler.num_preemptions > 2


def test_blocks_of_short_sequences_are_not_those_of_long_ones(model: PreTrainedModel) -> None:
    engine = engine_on_a_copy(model)
    beginning = LONG[: ORIGINAL - 4]
    for prompt, num_cached in ((beginning, 0), (LONG, 0), (LONG, 64), (beginning, 32), ([*LONG[:48], 7], 48)):
        engine.submit("it", prompt, SamplingParams(2, temperature=0.0))
        outputs = finish(engine)
        assert outputs[0].num_cached_tokens == num_cached
        assert tokens_of(outputs, "it") == generate(model, prompt, 2)


def test_one_that_crosses_finds_what_it_computed_by_the_long_factors(model: PreTrainedModel) -> None:
    engine = engine_on_a_copy(model)
    (first,) = completions(engine, CROSSING)
    (again,) = completions(engine, CROSSING)
    assert first == again == generate(model, CROSSING)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_check_at_load_passes_in_half_precision(model: PreTrainedModel, dtype: torch.dtype) -> None:
    half: Any = copy.deepcopy(model)
    engine_on_a_copy(half.to(dtype))


def test_a_llama_with_longrope_is_computed_by_its_own_length_too() -> None:
    rope = LONG_ROPE | {"partial_rotary_factor": 1.0, "short_factor": [1.0] * 8, "long_factor": [3.0] * 8}
    llama: Any = tiny_model("llama", rope_parameters=rope).train(mode=False)
    whole = engine_on_a_copy(llama)
    with torch.inference_mode():
        expected = int(llama(torch.tensor([LONG])).logits[0, -1].argmax())
    assert completions(whole, SHORT, LONG, max_tokens=1)[1] == [expected]


def test_the_check_sees_factors_that_are_wrong(model: PreTrainedModel) -> None:
    changed: Any = copy.deepcopy(model)
    check = SelfCheck(changed)
    runner = ModelRunner(changed, check.kv_shapes, 8)
    rotary = changed.model.rotary_emb
    assert isinstance(rotary, LongRope)
    rotary.get_buffer("_long").mul_(0.5)
    with pytest.raises(UnsupportedModelError, match="its logits differ"):
        check.compare(runner)
