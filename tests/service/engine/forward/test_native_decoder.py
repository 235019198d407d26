"""The compiled decoder computes what the class's own forward computes, with the same bits alone and in any company."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.forward.model_runner import ModelRunner
from service.engine.forward.native_decoder import NativeDecoder
from service.engine.forward.packing import packing_key
from service.engine.native.decoder import MAX_ROWS
from service.engine.progress import layers_noted
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine.startup.build import compare
from service.engine.startup.self_check import SelfCheck
from service.engine.tolerances import relative_error
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import num_blocks_for
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import LLAMA_3_ROPE, tiny_model
from tests.support.logits_in_company import TOKEN_IDS, logits_in_company, shapes
from tests.support.quantized_checkpoints import save_gptq

FEW_BLOCKS, NUM_BLOCKS = 8, 48
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
MODELS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"head_dim": 24, "num_key_value_heads": 1, "vocab_size": 77}),
    ("mistral", {}),
    ("qwen3", {"use_sliding_window": True, "sliding_window": 70, "max_window_layers": 1}),
    ("phi3", {"sliding_window": None}),
]


class Runner(ModelRunner):
    """A runner that lets a test at its parts."""

    @property
    def native(self) -> NativeDecoder:
        assert isinstance(self._forward, NativeDecoder)
        return self._forward

    def spoil_cache(self) -> None:
        for cache in self._kv_cache:
            cache.fill_(torch.nan)


def make_runner(family: str, changes: dict[str, Any], dtype: torch.dtype) -> Runner:
    model: Any = tiny_model(family, **changes).train(mode=False).to(dtype)
    runner = Runner(model, shapes(model), NUM_BLOCKS)
    assert runner.is_native
    return runner


COVERED = [
    *MODELS[1:],
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 24}),
    ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True, "rope_parameters": LLAMA_3_ROPE}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1}),
    ("phi3", {}),
]


@dataclass
class Prompt:
    """Tokens, and the chunks in which they are computed."""

    seed: int
    chunks: list[int]

    def sequence(self, first_block: int) -> Sequence:
        count = sum(self.chunks)
        token_ids = [(self.seed * 31 + place * 37 + 5) % 77 for place in range(count)]
        blocks = list(range(first_block, first_block + num_blocks_for(count)))[::-1]
        return Sequence("it", token_ids, count, SamplingParams(1), block_table=blocks)


PROMPTS = st.builds(
    Prompt,
    st.integers(0, 99),
    st.lists(st.sampled_from([1, 1, 1, 2, 7, 15, 16, 17, 63, 64, 65]), min_size=1, max_size=4),
)


def last_logits(runner: ModelRunner, prompts: list[Prompt]) -> list[torch.Tensor]:
    """The logits behind each prompt, whose chunks are computed beside those of the others."""
    sequences, first_block = [], 0
    for prompt in prompts:
        sequences.append(prompt.sequence(first_block))
        first_block += len(sequences[-1].block_table)
    found: dict[int, torch.Tensor] = {}
    for turn in range(max(len(prompt.chunks) for prompt in prompts)):
        chunks = [(row, prompt.chunks[turn]) for row, prompt in enumerate(prompts) if turn < len(prompt.chunks)]
        items = sorted((ScheduledSequence(sequences[row], size) for row, size in chunks), key=packing_key)
        sampling = [sequences.index(item.sequence) for item in items if item.is_last_chunk]
        found |= zip(sampling, runner.logits(items), strict=True)
        for row, size in chunks:
            sequences[row].num_computed_tokens += size
    return [found[row] for row in range(len(prompts))]


@pytest.fixture(scope="module", params=[(*model, dtype) for model in MODELS for dtype in DTYPES], ids=str)
def runner(request: pytest.FixtureRequest) -> Runner:
    return make_runner(*request.param)


@given(prompts=st.lists(PROMPTS, min_size=1, max_size=3), num_threads=st.integers(1, 3))
@settings(max_examples=settings().max_examples // 4)
def test_bits_are_equal_alone_and_in_any_company(runner: ModelRunner, prompts: list[Prompt], num_threads: int) -> None:
    before = torch.get_num_threads()
    alone = [last_logits(runner, [Prompt(it.seed, [sum(it.chunks)])])[0] for it in prompts]
    torch.set_num_threads(num_threads)
    together = last_logits(runner, prompts)
    torch.set_num_threads(before)
    assert all(map(torch.equal, alone, together))


@pytest.mark.parametrize(("family", "changes"), COVERED, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@torch.inference_mode()
def test_logits_are_those_of_the_class_in_float32(family: str, changes: dict[str, Any], dtype: torch.dtype) -> None:
    model: Any = tiny_model(family, **changes).train(mode=False)
    model.to(dtype).to(torch.float32)  # numbers that the dtype has
    expected = model(torch.tensor([TOKEN_IDS])).logits[0, 29:]
    theirs = model.to(dtype)(torch.tensor([TOKEN_IDS])).logits[0, 29:].float()
    runner = ModelRunner(model, shapes(model), FEW_BLOCKS)
    assert runner.is_native
    error = relative_error(logits_in_company(runner, 30), expected)
    assert error < max(1e-5, relative_error(theirs, expected))


@torch.inference_mode()
def test_what_others_left_in_the_cache_has_no_effect(runner: Runner) -> None:
    prompt = Prompt(3, [70, 1, 5])
    before = last_logits(runner, [prompt])
    runner.spoil_cache()
    assert torch.equal(*last_logits(runner, [prompt]), *before)


def test_a_prompt_may_be_longer_than_what_goes_through_the_layers_together(runner: Runner) -> None:
    whole, cut = Prompt(4, [2 * MAX_ROWS + 5]), Prompt(4, [100, 2 * MAX_ROWS - 96, 1])
    assert torch.equal(*last_logits(runner, [whole]), *last_logits(runner, [cut]))


def test_a_step_shows_at_each_layer_that_it_gets_on(runner: Runner) -> None:
    notes: list[None] = []
    with layers_noted(lambda: notes.append(None)):
        last_logits(runner, [Prompt(5, [2 * MAX_ROWS])])
    assert len(notes) == 2 * 2  # parts, layers


def wrong_logits(step: Any) -> torch.Tensor:
    return torch.zeros((step.last.shape[0], 320))


def test_a_model_is_served_without_compiled_code_that_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = tiny_model().train(mode=False)
    check = SelfCheck(model)
    runner = Runner(model, check.kv_shapes, FEW_BLOCKS)
    runner.native.decoder.logits = wrong_logits  # type: ignore[method-assign]  # code that this processor runs wrongly
    assert not compare(check, runner).is_native
    assert "steps run without compiled code of our own for all layers" in caplog.text


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("is_act_order", [False, True])
def test_packed_weights_give_equal_bits_too(tmp_path: Path, is_act_order: bool, dtype: torch.dtype) -> None:
    save_gptq(tmp_path, 32, is_act_order=is_act_order)
    model = load_model(tmp_path, "cpu", str(dtype).removeprefix("torch."), "gptq")
    runner = Runner(model, shapes(model), NUM_BLOCKS)
    assert runner.is_native
    whole, cut, other = Prompt(6, [70]), Prompt(6, [33, 36, 1]), Prompt(7, [20, 1, 1])
    assert torch.equal(last_logits(runner, [whole])[0], last_logits(runner, [other, cut])[1])
