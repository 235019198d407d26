"""Rows for the sampler: each with its parameters, and with what its counts and its bitmask were made of."""

import math
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from hypothesis import assume
from hypothesis import strategies as st

from service.engine.sampling import sampling
from service.engine.sampling.isolation import NextToken, row_of
from service.engine.sampling.sampled import SampledToken, SamplingError
from service.engine.sampling.sampling import SamplingRow
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.sampling_params import SamplingParams
from tests.support import naive_sampling

VOCABULARY = 200
SEEDS = st.integers(-(2**63), 2**63 - 1)
LIKELY = st.integers(0, 15)
"""Tokens that are much likelier than the rest, so that it shows what becomes of them."""


class Case(NamedTuple):
    """A row as the engine has it, and what its counts and its bitmask were made of."""

    row: SamplingRow
    prompt: list[int]
    completion: list[int]
    allowed: set[int] | None


def params(**changes: Any) -> SamplingParams:
    return SamplingParams(**({"max_tokens": 1, "temperature": 1.0} | changes))


class FixedGrammar:
    """A grammar that lets the same tokens come everywhere."""

    def __init__(self, mask: torch.Tensor) -> None:
        self._mask = mask

    def accept(self, token_id: int) -> None: ...

    def allowed(self, *_: object) -> torch.Tensor:
        return self._mask


def bitmask(allowed: set[int], num_words: int = -(-VOCABULARY // 32)) -> torch.Tensor:
    bits = sum(1 << token_id for token_id in allowed)
    return torch.frombuffer(bytearray(bits.to_bytes(4 * num_words, "little")), dtype=torch.int32)


def case(given: SamplingParams, prompt: list[int], completion: list[int], allowed: set[int] | None = None) -> Case:
    grammar = None if allowed is None else FixedGrammar(bitmask(allowed))
    sequence = Sequence("it", list(prompt), len(prompt), given, grammar=cast(Any, grammar))
    for token_id in completion:
        sequence.append(token_id)
    return Case(row_of(NextToken(sequence, len(completion))), prompt, completion, allowed)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    def one_of(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    given = params(
        temperature=one_of(0.0, 0.3, 1.0, 5.0),
        top_k=one_of(0, 1, 3, 50, 128, 150, VOCABULARY, 10_000),
        top_p=one_of(1.0, 0.1, 0.9, 0.999),
        min_p=one_of(0.0, 0.02, 0.5),
        repetition_penalty=one_of(1.0, 0.5, 1.3, 2.0),
        frequency_penalty=one_of(0.0, -2.0, 0.7),
        presence_penalty=one_of(0.0, -0.9, 2.0),
        logit_bias=tuple(draw(st.dictionaries(LIKELY, st.floats(-5, 5), max_size=3)).items()),
        seed=draw(SEEDS),
        eos_token_ids=frozenset(draw(st.sets(LIKELY, max_size=3))),
        stop_token_ids=frozenset(draw(st.sets(LIKELY, max_size=3))),
        min_tokens=one_of(0, 4),
        allowed_token_ids=one_of((), (), tuple(range(16)), tuple(range(16, VOCABULARY)), tuple(range(0, 199, 2))),
        bad_words=draw(st.lists(st.lists(LIKELY, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple)),
    )
    allowed = draw(st.none() | st.sets(LIKELY | st.integers(0, VOCABULARY - 1), min_size=4))
    prompt, completion = draw(st.lists(LIKELY, min_size=1)), draw(st.lists(LIKELY))
    assume(max(naive_sampling.adjusted([0.0] * VOCABULARY, given, prompt, completion, allowed)) > -math.inf)
    return case(given, prompt, completion, allowed)


def random_logits(num_rows: int) -> torch.Tensor:
    logits = torch.randn(num_rows, VOCABULARY, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits[:, :16] += 2
    return logits


def with_seeds(one: Case, num_samples: int) -> list[SamplingRow]:
    """The same row with other seeds, for as many samples as show its distribution."""
    params = one.row.params
    return [replace(one.row, params=replace(params, seed=params.seed // 2 + number)) for number in range(num_samples)]


def sample(logits: torch.Tensor, rows: list[SamplingRow]) -> list[SampledToken | SamplingError]:
    return sampling.sample(logits, rows).tokens()


def token_ids(logits: torch.Tensor, rows: list[SamplingRow]) -> list[int]:
    tokens = [token for token in sample(logits, rows) if isinstance(token, SampledToken)]
    assert len(tokens) == len(rows)
    return [token.token_id for token in tokens]
