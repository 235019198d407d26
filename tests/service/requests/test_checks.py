"""Checks, defaults and limits: what is refused, and what an accepted request becomes."""

import math
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.catalog import CatalogModel
from service.engine_protocol.sampling_params import SamplingParams
from service.errors import ContextWindowExceededError, InvalidRequestError
from service.requests.checks import check_request
from service.requests.sampling_params import Limits, to_sampling_params

NAMED = CatalogModel(
    id="@test/named",
    description="",
    checkpoint="",
    max_prompt_tokens=300,
    max_completion_tokens=200,
    context_window=400,
    default_max_tokens=100,
    default_max_tokens_streamed=150,
)
LIMITS = Limits(max_prompt_tokens=300, max_completion_tokens=200, context_window=400, vocab_size=50)


def prompt(**fields) -> pb.RunRequest:
    return pb.RunRequest(prompt=pb.Prompt(text="hi"), **fields)


def sampled(**params) -> pb.RunRequest:
    return prompt(sampling_params=pb.SamplingParams(**params))


def spoken(**fields) -> pb.RunRequest:
    return pb.RunRequest(conversation=pb.Conversation(messages=[pb.Message(**({"role": "user"} | fields))]))


def max_tokens(num_prompt_tokens: int, *, limits: Limits = LIMITS, stands_in: bool = False, **params) -> int:
    asked = sampled(**params)
    return to_sampling_params(asked, NAMED, limits, num_prompt_tokens, frozenset(), stands_in=stands_in).max_tokens


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RunRequest(), "input"),
        (pb.RunRequest(prompt=pb.Prompt()), "prompt.text"),
        (pb.RunRequest(conversation=pb.Conversation()), "conversation.messages"),
        (spoken(role=""), "conversation.messages[0].role"),
        (spoken(content=[pb.ContentPart()]), "conversation.messages[0].content"),
        (prompt(stop_sequences=["a"] * 9), "stop_sequences"),
        (prompt(stop_sequences=["a", ""]), "stop_sequences[1]"),
        (prompt(stop_sequences=["é" * 257]), "stop_sequences[0]"),
        (prompt(stop_token_ids=range(65)), "stop_token_ids"),
        (sampled(max_tokens=0), "sampling_params.max_tokens"),
        (sampled(max_tokens=-1), "sampling_params.max_tokens"),
        (sampled(temperature=-0.1), "sampling_params.temperature"),
        (sampled(temperature=5.01), "sampling_params.temperature"),
        (sampled(temperature=math.nan), "sampling_params.temperature"),
        (sampled(top_k=0), "sampling_params.top_k"),
        (sampled(top_p=0), "sampling_params.top_p"),
        (sampled(top_p=1.01), "sampling_params.top_p"),
        (sampled(top_p=math.nan), "sampling_params.top_p"),
        (prompt(priority=3), "priority"),
        (prompt(cache_salt="é" * 257), "cache_salt"),
        (sampled(min_p=-0.1), "sampling_params.min_p"),
        (sampled(min_p=math.nan), "sampling_params.min_p"),
        (sampled(repetition_penalty=0.009), "sampling_params.repetition_penalty"),
        (sampled(repetition_penalty=2.01), "sampling_params.repetition_penalty"),
        (sampled(repetition_penalty=math.nan), "sampling_params.repetition_penalty"),
        (sampled(frequency_penalty=-2.01), "sampling_params.frequency_penalty"),
        (sampled(presence_penalty=math.inf), "sampling_params.presence_penalty"),
        (sampled(logit_bias={5: 100.1}), "sampling_params.logit_bias[5]"),
        (sampled(logit_bias={5: math.nan}), "sampling_params.logit_bias[5]"),
        (sampled(logit_bias=dict.fromkeys(range(1025), 0.0)), "sampling_params.logit_bias"),
        (sampled(allowed_token_ids=range(8193)), "sampling_params.allowed_token_ids"),
        (sampled(bad_words=["a"] * 65), "sampling_params.bad_words"),
        (sampled(bad_words=["a", ""]), "sampling_params.bad_words[1]"),
        (sampled(bad_words=["é" * 257]), "sampling_params.bad_words[0]"),
        (sampled(min_tokens=-1), "sampling_params.min_tokens"),
        (sampled(top_logprobs=21), "sampling_params.top_logprobs"),
        (sampled(top_logprobs=-1), "sampling_params.top_logprobs"),
        (sampled(top_prompt_logprobs=21), "sampling_params.top_prompt_logprobs"),
        (sampled(top_prompt_logprobs=-1), "sampling_params.top_prompt_logprobs"),
    ],
)
def test_a_missing_or_impossible_value_is_refused_by_its_field(request_, field):
    with pytest.raises(InvalidRequestError) as caught:
        check_request(request_)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "request_",
    [
        prompt(),
        spoken(),
        prompt(stop_sequences=["é" * 256] + ["a"] * 7, stop_token_ids=range(64)),
        sampled(temperature=0, top_p=1, top_k=1, max_tokens=1),
        sampled(temperature=5, seed=-(2**63)),
        sampled(min_p=0, repetition_penalty=0.01, frequency_penalty=-2, presence_penalty=-2, min_tokens=0),
        sampled(min_p=1, repetition_penalty=2, frequency_penalty=2, presence_penalty=2, top_logprobs=0),
        sampled(logit_bias=dict.fromkeys(range(1024), -100.0), top_logprobs=20, ignore_eos=True),
        sampled(allowed_token_ids=range(8192), bad_words=["é" * 256] * 64),
        prompt(tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_NONE), priority=pb.PRIORITY_ONLINE),
        prompt(cache_salt="é" * 256, priority=pb.PRIORITY_BATCH),
    ],
)
def test_limits_are_inclusive(request_):
    check_request(request_)


def converted(num_prompt_tokens: int = 10, *, stands_in: bool = False, stop_token_ids=(), **params) -> SamplingParams:
    asked = prompt(sampling_params=pb.SamplingParams(**params), stop_token_ids=stop_token_ids)
    return to_sampling_params(asked, NAMED, LIMITS, num_prompt_tokens, frozenset({2}), stands_in=stands_in)


def test_unset_params_get_their_documented_defaults():
    params = converted()
    defaults = SamplingParams(100, temperature=0.6, seed=params.seed, eos_token_ids=frozenset({2}))
    assert params == defaults
    assert params.seed >= 0


def test_what_is_set_reaches_the_engine():
    same: dict[str, Any] = {"repetition_penalty": 1.1, "frequency_penalty": -0.5, "presence_penalty": 0.5}
    same |= {"temperature": 0.0, "top_k": 3, "top_p": 0.5, "min_p": 0.25, "seed": 0, "min_tokens": 7, "max_tokens": 7}
    named: dict[str, Any] = {"stop_token_ids": [2, 2, 49], "allowed_token_ids": [49, 3]}
    params = converted(top_logprobs=0, logit_bias={4: -1.0}, ignore_eos=True, **named, **same)
    same |= {"stop_token_ids": frozenset({2, 49}), "allowed_token_ids": (49, 3)}
    assert params == SamplingParams(num_logprobs=0, logit_bias=((4, -1.0),), **same)


def test_as_many_log_probabilities_of_a_prompt_are_told_as_may_be():
    assert [converted(top_prompt_logprobs=most).num_prompt_logprobs for most in (0, 20)] == [0, 20]
    wide = Limits(100_000, 200, 200_000, 50)

    def asked(num_prompt_tokens, most):
        request = sampled(top_prompt_logprobs=most)
        return to_sampling_params(request, NAMED, wide, num_prompt_tokens, frozenset(), stands_in=False)

    assert asked(65_536, 0).num_prompt_logprobs == 0
    assert asked(32_768, 1).num_prompt_logprobs == 1
    for num_prompt_tokens, most in ((65_537, 0), (32_769, 1), (3_121, 20)):
        with pytest.raises(InvalidRequestError, match="65536 are the most") as caught:
            asked(num_prompt_tokens, most)
        assert caught.value.field == "sampling_params.top_prompt_logprobs"


def test_min_tokens_is_at_most_max_tokens_whichever_way_that_came():
    with pytest.raises(InvalidRequestError, match="its range is 0 to max_tokens, which is 7") as caught:
        converted(max_tokens=7, min_tokens=8)
    assert caught.value.field == "sampling_params.min_tokens"
    with pytest.raises(InvalidRequestError, match="its range is 0 to max_tokens, which is 100"):
        converted(min_tokens=101)
    assert converted(290, stands_in=True, max_tokens=200, min_tokens=200).min_tokens == 110


@pytest.mark.parametrize("token_id", [-1, 50, 2**31 - 1])
@pytest.mark.parametrize("field", ["sampling_params.logit_bias", "sampling_params.allowed_token_ids", "stop_token_ids"])
def test_a_token_that_the_model_does_not_have_is_refused(token_id, field):
    named: dict[str, Any] = {
        "logit_bias": {token_id: 1.0},
        "allowed_token_ids": [5, token_id],
        "stop_token_ids": [5, token_id],
    }
    with pytest.raises(InvalidRequestError, match="token ids of the model that answers are 0 to 49") as caught:
        converted(**{name: value for name, value in named.items() if field.endswith(name)})
    assert caught.value.field == field


def test_a_default_max_tokens_shrinks_to_the_room_beside_the_prompt():
    assert max_tokens(290, limits=Limits(300, 200, 350, 50)) == 60


def test_a_callers_default_shrinks_too():
    assert max_tokens(10, max_tokens=500, max_tokens_is_default=True) == 200
    assert max_tokens(290, max_tokens=150, max_tokens_is_default=True) == 110


def test_an_explicit_max_tokens_is_kept_or_refused_but_never_shrunk():
    assert max_tokens(200, max_tokens=200) == 200
    with pytest.raises(ContextWindowExceededError, match=r"\(401\) exceeded .* \(400\)"):
        max_tokens(201, max_tokens=200)
    with pytest.raises(ContextWindowExceededError, match="1 to 200 for @test/named"):
        max_tokens(10, max_tokens=201)


def test_a_stand_in_shrinks_even_an_explicit_max_tokens_to_its_room():
    assert max_tokens(290, max_tokens=200, stands_in=True) == 110
    with pytest.raises(ContextWindowExceededError, match="1 to 200"):
        max_tokens(10, max_tokens=201, stands_in=True)


def test_a_prompt_over_the_limit_or_without_room_for_a_token_is_refused():
    with pytest.raises(ContextWindowExceededError, match=r"\(301\) exceeded .* \(300\)"):
        max_tokens(301)
    with pytest.raises(ContextWindowExceededError, match=r"\(301\) exceeded .* \(300\)"):
        max_tokens(300, limits=Limits(300, 200, 300, 50))


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(InvalidRequestError, match="no tokens"):
        max_tokens(0)


def test_a_usable_prompt_leaves_room_for_one_token():
    assert Limits(300, 200, 400, 50).max_usable_prompt_tokens == 300
    assert Limits(300, 200, 300, 50).max_usable_prompt_tokens == 299
