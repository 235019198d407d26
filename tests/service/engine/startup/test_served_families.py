"""Every family, whatever arrives and leaves when: each request gets the tokens that it would get alone."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import FAMILIES
from tests.support.engines import engine_on_a_copy, finish, load_reference, tokens_of
from tests.support.played_requests import (
    BOUNDS,
    EOS,
    FEW_BLOCKS,
    MOST_TOKENS,
    OFTEN_PREEMPTED,
    REQUESTS,
    Request,
    play,
    some,
)

NEAR_TIE = 1e-3
"""Logits this close may change places by rounding."""


in_each_family = pytest.mark.parametrize("family", FAMILIES)
"""Each family has its share of the profile's examples."""
in_few_families = pytest.mark.parametrize(
    "family", [f if f in ("llama", "gemma3") else pytest.param(f, marks=pytest.mark.stress) for f in FAMILIES]
)
"""For what the families have in common: the rest of them is for `make stress`."""


@dataclass(frozen=True)
class Completion:
    """Greedy tokens, and how far the most likely one was before the next at each place."""

    tokens: list[int]
    leads: list[float]


WAYS_TO_DRAW: list[dict[str, Any]] = [
    {"temperature": 0.9, "top_k": 40, "top_p": 0.95},
    {"temperature": 1.5, "min_p": 0.02, "logit_bias": ((7, 3.0), (8, -3.0))},
    {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.3},
    {"temperature": 1.0, "frequency_penalty": 0.5, "presence_penalty": 0.5, "min_tokens": 5},
]


@pytest.fixture(scope="module")
def models(checkpoint: Callable[[str], Path]) -> Callable[[str, str], PreTrainedModel]:
    """Loaded models by family and dtype."""
    loaded: dict[tuple[str, str], PreTrainedModel] = {}

    def get(family: str, dtype: str) -> PreTrainedModel:
        if (family, dtype) not in loaded:
            loaded[family, dtype] = load_reference(checkpoint(family), dtype)
        return loaded[family, dtype]

    return get


@pytest.fixture(scope="module")
def generated(models: Callable[[str, str], PreTrainedModel]) -> Callable[[str, tuple[int, ...]], Completion]:
    """What transformers' `generate` gives for a prompt, as far as a request may want it."""
    known: dict[tuple[str, tuple[int, ...]], Completion] = {}

    def get(family: str, prompt: tuple[int, ...]) -> Completion:
        if (family, prompt) not in known:
            known[family, prompt] = generate(models(family, "float32"), prompt)
        return known[family, prompt]

    return get


def generate(model: Any, prompt: tuple[int, ...]) -> Completion:
    output = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
        max_new_tokens=MOST_TOKENS,
        do_sample=False,
        eos_token_id=-1,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.cat(output.logits).topk(2).values
    return Completion(output.sequences[0, len(prompt) :].tolist(), (best[:, 0] - best[:, 1]).tolist())


def check_greedy(tokens: list[int], request: Request, expected: Completion) -> None:
    """Equal, unless the first difference stands where two tokens were equally likely to within rounding."""
    for place, token_id in enumerate(tokens):
        if token_id != expected.tokens[place]:
            assert expected.leads[place] < NEAR_TIE, f"token {place} is {token_id}, not {expected.tokens[place]}"
            return
    if request.abort_after is None:
        ends = [place + 1 for place, token_id in enumerate(expected.tokens) if token_id in EOS]
        assert len(tokens) == min([request.max_tokens, *ends])


@in_each_family
@some
@given(requests=REQUESTS, bounds=BOUNDS)
@example(requests=OFTEN_PREEMPTED, bounds=FEW_BLOCKS)
def test_greedy_tokens_are_those_of_generate(
    family: str, models: Any, generated: Any, requests: list[Request], bounds: dict[str, int]
) -> None:
    engine = engine_on_a_copy(models(family, "float32"), **bounds)
    params = [SamplingParams(request.max_tokens, eos_token_ids=EOS) for request in requests]
    for request, tokens in zip(requests, play(engine, requests, params), strict=True):
        check_greedy(tokens, request, generated(family, request.prompt))


@in_few_families
@some
@given(requests=REQUESTS, bounds=BOUNDS, seed=st.integers(0, 2**62))
@example(requests=OFTEN_PREEMPTED, bounds=FEW_BLOCKS, seed=0)
def test_seeded_tokens_are_those_of_the_request_alone(
    family: str, models: Any, requests: list[Request], bounds: dict[str, int], seed: int
) -> None:
    model = models(family, "float64")
    params = [
        SamplingParams(
            request.max_tokens, seed=seed + place, eos_token_ids=EOS, **WAYS_TO_DRAW[(seed + place) % len(WAYS_TO_DRAW)]
        )
        for place, request in enumerate(requests)
    ]
    in_company = play(engine_on_a_copy(model, **bounds), requests, params)
    for request, its_params, tokens in zip(requests, params, in_company, strict=True):
        engine = engine_on_a_copy(model)
        engine.submit("alone", list(request.prompt), its_params)
        alone = tokens_of(finish(engine), "alone")
        assert tokens == (alone if request.abort_after is None else alone[: len(tokens)])
