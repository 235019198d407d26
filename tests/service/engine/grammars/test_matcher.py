"""Whatever the weights say, a completion has the form that was asked for, and its neighbours notice nothing."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from service.demo import CHECKPOINT
from service.engine.grammars.thinking import Matcher
from service.engine_protocol.sampling_params import FinishReason
from tests.support.engines import finish, make_engine, tokens_of
from tests.support.grammars import EOS, PROMPT, Model, choice, is_whole, regex, sampled, save_model, schema
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer


@pytest.fixture(scope="module", params=["byte level", "byte fallback", "demo"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """Of the second, texts lose their leading space when they are decoded."""
    if request.param == "demo":
        checkpoint = CHECKPOINT
    else:
        tokenizer = byte_level_tokenizer(512) if request.param == "byte level" else byte_fallback_tokenizer(400)
        checkpoint = save_model(tmp_path_factory.mktemp("model"), tokenizer)
    model = Model(checkpoint)
    yield model
    model.compiler.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512)))
    yield model
    model.compiler.close()


NAMES = st.sampled_from(["a", "b c", "ключ", 'quo"te', "back\\slash", "é\n", ""])
SCALARS = st.one_of(
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "string", "format": "date"}]),
    st.lists(st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4), min_size=1, max_size=3).map(
        lambda values: {"enum": values}
    ),
    st.builds(lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span}, *[st.integers(0, 999)] * 2),
    st.builds(
        lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span}, *[st.integers(0, 3)] * 2
    ),
    st.sampled_from(["^[a-c]{1,3}$", "x|yz$"]).map(lambda given: {"type": "string", "pattern": given, "maxLength": 5}),
)


def open_schema(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(
            lambda properties, num_required: {
                "type": "object",
                "properties": properties,
                "required": list(properties)[:num_required],
                "additionalProperties": False,
            },
            st.dictionaries(NAMES, inner, max_size=3),
            st.integers(0, 3),
        ),
        st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, inner, st.integers(0, 2)),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    )


SCHEMAS = st.recursive(SCALARS, open_schema, max_leaves=5).map(
    lambda inner: {
        "$defs": {"it": inner},
        "type": "array",
        "prefixItems": [{"$ref": "#/$defs/it"}, inner],
        "minItems": 1,
        "maxItems": 2,
    }
)


@settings(max_examples=settings().max_examples // 8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schemas=st.lists(SCHEMAS, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_random_weights_write_json_that_fits_the_schema(model: Model, schemas: list[Any], seed: int) -> None:
    for place, wanted in enumerate(schemas):
        model.submit(str(place), schema(wanted), sampled(temperature=place % 2, seed=seed))
    outputs = finish(model.engine)
    for place, wanted in enumerate(schemas):
        text = model.text(tokens_of(outputs, str(place)))
        Draft202012Validator(wanted).validate(json.loads(text))
    assert {output.finish_reason for output in outputs} <= {None, FinishReason.STOP}


def test_a_stop_token_ends_where_the_grammar_lets_it_come_or_the_text_may_end(model: Model) -> None:
    stop, never = model.token_id("c"), 0  # a special token, which no grammar lets come
    stops = frozenset({stop, never})
    text, reason = model.complete(regex("abcd"), temperature=0, stop_token_ids=stops)
    assert (text, reason) == ("abc", FinishReason.STOP)
    bias = ((never, 100.0),)
    text, reason = model.complete(regex("ab(d{9})?"), eos_token_ids=frozenset(), stop_token_ids=stops, logit_bias=bias)
    assert (text, reason) == ("ab", FinishReason.STOP)


def test_json_object_is_an_object(model: Model) -> None:
    closing_soon = tuple((model.token_id(text), 12.0) for text in ('"', "}"))
    for seed in range(5):
        text, reason = model.complete(schema({"type": "object"}), seed=seed, logit_bias=closing_soon)
        assert isinstance(json.loads(text), dict)
        assert reason is FinishReason.STOP


PATTERNS = [
    "[a-f]{3}-[0-9]{2}",
    " ?x{2,5} ",
    "(ja|nein|möglich)+!",
    r"\d{4}/\d{2}",
    "^ab|cd$",
    "(?s:.{3})\n",
    "[\U0001f600-\U0001f64f]{2}",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_whole_text_matches_the_regular_expression(model: Model, pattern: str) -> None:
    for seed in range(3):
        text, reason = model.complete(regex(pattern), seed=seed)
        assert reason is FinishReason.STOP
        assert re.fullmatch(pattern, text), text


CHOICES = [("yes", "no"), (" yes", "yes"), ("a", "ab", "abc"), ("", "x"), ('"\n\\', "\0😀\x7f"), ("<|end|>", "</s>")]


@pytest.mark.parametrize("texts", CHOICES)
def test_the_text_is_one_of_the_choices_and_may_be_any(model: Model, texts: tuple[str, ...]) -> None:
    seen = {model.complete(choice(*texts), seed=seed, temperature=5.0)[0] for seed in range(20)}
    assert seen == set(texts)


@settings(max_examples=settings().max_examples // 16, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), num_blocks=st.integers(9, 20))
def test_grammars_and_free_requests_draw_the_same_alone_and_in_company(tiny: Model, seed: int, num_blocks: int) -> None:
    wanted = schema({"type": "array", "items": {"enum": ["a", "bc", 12, None]}, "minItems": 9, "maxItems": 12})
    free = sampled(max_tokens=40, seed=seed, top_k=40, top_p=0.95, eos_token_ids=frozenset())
    bound = sampled(max_tokens=90, seed=seed, repetition_penalty=1.3, frequency_penalty=0.5, min_p=0.01)
    alone = make_engine(tiny.checkpoint, dtype="float64")
    alone.submit("free", PROMPT, free)
    outputs = finish(alone)
    tiny.submit("bound", wanted, bound, alone)
    outputs += finish(alone)
    company = make_engine(tiny.checkpoint, dtype="float64", num_blocks=num_blocks, max_num_batched_tokens=256)
    for other in range(3):
        tiny.submit(f"other {other}", regex("[ab]{30}"), sampled(seed=other, max_tokens=60), company)
    company.submit("free", PROMPT, free)
    tiny.submit("bound", wanted, bound, company)
    together = finish(company)
    for name in ("free", "bound"):
        assert tokens_of(together, name) == tokens_of(outputs, name)
    assert is_whole(company)


def test_preemption_leaves_a_grammar_where_it_is(tiny: Model) -> None:
    engine = make_engine(tiny.checkpoint, num_blocks=6)
    for name in range(3):
        tiny.submit(str(name), regex("(ab){40}"), sampled(max_tokens=90), engine)
    outputs = finish(engine)
    assert engine.scheduler.num_preemptions
    assert [tiny.text(tokens_of(outputs, str(name))) for name in range(3)] == ["ab" * 40] * 3


def may_end(matcher: Matcher) -> bool:
    return bool(matcher.allowed(EOS)[0] & 1 << min(EOS))


def test_an_eos_token_is_allowed_exactly_where_the_text_may_end(tiny: Model) -> None:
    matcher = tiny.compiler.compile(regex("(a|bc)?[0-9]*")).result()
    found = [may_end(matcher)]
    for character in "bc1":
        matcher.accept(tiny.token_id(character))
        found.append(may_end(matcher))
    assert found == [True, False, True, True]
    assert not matcher.is_complete


def test_without_eos_tokens_a_text_goes_on_until_nothing_can_follow(tiny: Model) -> None:
    no_eos = frozenset[int]()
    text, reason = tiny.complete(regex("a*"), eos_token_ids=no_eos, max_tokens=12)
    assert (set(text), reason) == ({"a"}, FinishReason.LENGTH)
    assert tiny.complete(regex("a{3}"), eos_token_ids=no_eos) == ("aaa", FinishReason.STOP)


def test_min_tokens_holds_back_eos_tokens_but_not_the_end_of_the_grammar(tiny: Model) -> None:
    for seed in range(5):
        text, _ = tiny.complete(regex("[xyz]*"), min_tokens=8, seed=seed, temperature=5.0)
        assert len(text) >= 8
    assert tiny.complete(regex("a{3}"), min_tokens=50) == ("aaa", FinishReason.STOP)


def test_max_tokens_cuts_a_text_that_is_not_whole(tiny: Model) -> None:
    text, reason = tiny.complete(regex("[xyz]{9}"), max_tokens=4)
    assert reason is FinishReason.LENGTH
    assert re.fullmatch("[xyz]{4,8}", text)


def test_a_text_that_is_whole_with_its_last_token_is_not_cut(tiny: Model) -> None:
    assert tiny.complete(regex("[xyz]"), max_tokens=1)[1] is FinishReason.STOP


def test_a_draft_is_followed_as_far_as_the_form_lets_it_and_the_matcher_stays(model: Model) -> None:
    matcher = model.compiler.compile(regex("[ab]{3}x")).result()
    draft = model.token_ids("abax")
    assert matcher.num_accepted(draft) == len(draft)
    assert matcher.num_accepted(draft[::-1]) < len(draft)
    assert matcher.num_accepted([*draft, draft[0]]) == len(draft)
    behind = matcher.behind(draft[:-1])
    assert draft[-1] in bits_of(behind)
    assert draft[-1] not in bits_of(matcher)
    assert matcher.behind(draft).is_complete
    assert not behind.is_complete
    for token_id in draft:
        matcher.accept(token_id)
    assert matcher.is_complete


def bits_of(matcher: Matcher) -> set[int]:
    words = matcher.allowed(EOS).tolist()
    return {32 * place + bit for place, word in enumerate(words) for bit in range(32) if word >> bit & 1}
