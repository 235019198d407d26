"""The engine's tokens are those of transformers' `generate`, however they are computed."""

import copy
import random
from typing import Any

import pytest
import torch

from service.engine_protocol.sampling_params import SamplingParams
from tests.gpu.engines import FAMILIES, make_engine, pack_layers, small_model
from tests.support.engines import outputs_of

_NUM_NEW_TOKENS = 24
_LEAST_GAP = 1e-3
"""Two tokens whose logits are nearer than this may change places in float32."""

_MAX_ERROR = 1e-2
"""Of the spread that all logits have."""

_STD = 0.05
"""Weights as wide as tiny models otherwise have them make logits that bfloat16's rounding alone moves by 2 %."""


def make_prompts(lengths: list[int]) -> list[list[int]]:
    source = random.Random(0)
    return [[source.randrange(10, 320) for _ in range(length)] for length in lengths]


def generate(model: Any, prompt: list[int]) -> tuple[list[int], torch.Tensor]:
    """transformers' greedy tokens, and the logits before each, [tokens, vocabulary]."""
    output = model.generate(
        torch.tensor([prompt], device=model.device),
        attention_mask=torch.ones((1, len(prompt)), dtype=torch.int64, device=model.device),
        max_new_tokens=_NUM_NEW_TOKENS,
        do_sample=False,
        eos_token_id=-1,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return output.sequences[0, len(prompt) :].tolist(), torch.cat(output.logits)


def engine_tokens(engine: Any, prompts: list[list[int]]) -> list[list[int]]:
    """The engine's greedy tokens for prompts that come one step after the other."""
    tokens: list[list[int]] = [[] for _ in prompts]
    waiting = list(enumerate(prompts))
    while waiting or engine.has_work:
        if waiting:
            number, prompt = waiting.pop(0)
            engine.submit(str(number), prompt, SamplingParams(_NUM_NEW_TOKENS))
        for output in outputs_of(engine):
            tokens[int(output.id)].append(output.token_id)
    return tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_are_those_of_generate_in_float32(family, accelerations, device):
    model = small_model(family, device)
    prompts = make_prompts([1, 15, 16, 17, 40, 100] if device == "cpu" else list(range(1, 130, 3)))
    ours = engine_tokens(make_engine(model, accelerations), prompts)
    for prompt, tokens in zip(prompts, ours, strict=True):
        expected, logits = generate(model, prompt)
        differing = [place for place in range(_NUM_NEW_TOKENS) if tokens[place] != expected[place]]
        if differing:
            first, second = logits[differing[0]].float().topk(2).values.tolist()
            assert first - second < _LEAST_GAP


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("bits", [16, 8, 4])
def test_log_probabilities_agree_in_bfloat16(family, bits, accelerations, device):
    model = small_model(family, device, torch.bfloat16, initializer_range=_STD)
    reference = copy.deepcopy(model).float() if bits == 16 else pack_layers(model, bits, accelerations)
    engine = make_engine(model, accelerations)
    prompts = make_prompts([1, 17, 40])
    for number, prompt in enumerate(prompts):
        engine.submit(str(number), prompt, SamplingParams(8, num_logprobs=20))
    token_ids = {str(number): list(prompt) for number, prompt in enumerate(prompts)}
    errors, spreads = [], []
    while engine.has_work:
        for output in outputs_of(engine):
            expected = expected_logprobs(reference, token_ids[output.id])
            assert output.logprobs is not None
            errors += [logprob - float(expected[token_id]) for token_id, logprob in output.logprobs.top]
            spreads.append(expected.std())
            token_ids[output.id].append(output.token_id)
    assert torch.tensor(errors).square().mean().sqrt() < _MAX_ERROR * torch.stack(spreads).mean()


@torch.inference_mode()
def expected_logprobs(model: Any, token_ids: list[int]) -> torch.Tensor:
    """transformers' own after some tokens, [vocabulary]."""
    logits: torch.Tensor = model(torch.tensor([token_ids], device=model.device)).logits[0, -1]
    return logits.float().log_softmax(-1).cpu()
