"""A form holds for the answer: the thinking before it is free, and can't end the completion."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.engine_protocol.sampling_params import FinishReason
from service.engine_protocol.thinking import Thinking
from tests.support.engines import finish, tokens_of
from tests.support.grammars import EOS, Model, choice, regex, sampled, save_model
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer

BEGIN, END = "<think>", "</think>"
TOKENIZERS = {"level": byte_level_tokenizer, "fallback": byte_fallback_tokenizer}


@pytest.fixture(scope="module", params=TOKENIZERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """With tokens for the markers, which other tests of it ignore."""
    tokenizer = TOKENIZERS[request.param](512)
    tokenizer.add_tokens([BEGIN, END])
    model = Model(save_model(tmp_path_factory.mktemp("model"), tokenizer))
    yield model
    model.compiler.close()


def by_tokens(model: Model, *, is_open: bool) -> Thinking:
    return Thinking(BEGIN, END, model.token_id(BEGIN), model.token_id(END), is_open)


@pytest.mark.parametrize("is_open", [True, False])
def test_behind_the_token_that_ends_the_thinking_the_form_begins(model: Model, is_open: bool) -> None:
    thinking = by_tokens(model, is_open=is_open)
    spec = replace(choice("yes", "no"), thinking=thinking)
    for seed in range(5):
        # an end-of-sequence token would come first, if it could
        likely = ((min(EOS), 100.0), (thinking.begin_token_id, 20.0), (thinking.end_token_id, 20.0))
        model.submit("it", spec, sampled(seed=seed, logit_bias=likely))
        outputs = finish(model.engine)
        ids = tokens_of(outputs, "it")
        end = ids.index(model.token_id(END))
        assert is_open or ids[0] == thinking.begin_token_id
        assert model.text([*ids[end + 1 :]]) in ("yes", "no")
        assert outputs[-1].finish_reason is FinishReason.STOP


def test_a_model_that_may_think_may_answer_at_once(model: Model) -> None:
    thinking = by_tokens(model, is_open=False)
    never = ((thinking.begin_token_id, -100.0),)
    text, reason = model.complete(replace(regex("a{3}"), thinking=thinking), logit_bias=never)
    assert (text, reason) == ("aaa", FinishReason.STOP)


def test_no_stop_token_ends_the_thinking_where_a_form_is_asked_for(model: Model) -> None:
    thinking = by_tokens(model, is_open=True)
    stop = model.token_id("c")
    likely = ((stop, 100.0), (thinking.end_token_id, 90.0))
    text, reason = model.complete(
        replace(regex("abcd"), thinking=thinking), stop_token_ids=frozenset({stop}), logit_bias=likely
    )
    assert text.endswith("abc")
    assert reason is FinishReason.STOP


def test_thinking_that_fills_max_tokens_is_cut(model: Model) -> None:
    thinking = by_tokens(model, is_open=True)
    never = ((thinking.end_token_id, -100.0),)
    _, reason = model.complete(replace(regex("abcd"), thinking=thinking), logit_bias=never, max_tokens=30)
    assert reason is FinishReason.LENGTH


def test_all_tokens_of_the_vocabulary_and_no_others_can_be_thought(model: Model) -> None:
    spec = replace(choice("yes"), thinking=by_tokens(model, is_open=True))
    words = model.compiler.compile(spec).result().allowed(EOS)
    allowed = {32 * place + bit for place, word in enumerate(words.tolist()) for bit in range(32) if word >> bit & 1}
    assert allowed == set(range(model.engine.info.vocab_size)) - EOS


@pytest.mark.parametrize("is_open", [True, False])
def test_markers_that_are_no_tokens_are_a_part_of_the_grammar(model: Model, is_open: bool) -> None:
    markers = Thinking("(", ").", is_open=is_open)
    for seed in range(5):
        likely = ((model.token_id(")"), 40.0), (model.token_id("."), 39.0), (min(EOS), 100.0))
        text, reason = model.complete(replace(choice("yes", "no"), thinking=markers), seed=seed, logit_bias=likely)
        thought, _, answer = text.partition(").")
        assert (answer or thought) in ("yes", "no")
        assert answer or not is_open
        assert reason is FinishReason.STOP


@pytest.mark.parametrize("is_open", [True, False])
def test_a_draft_may_think_and_must_answer_in_the_form(model: Model, is_open: bool) -> None:
    matcher = model.compiler.compile(replace(regex("ab"), thinking=by_tokens(model, is_open=is_open))).result()
    begin = [] if is_open else [model.token_id(BEGIN)]
    thought = [*begin, model.token_id("x"), model.token_id(END)]
    answer = model.token_ids("ab")
    assert matcher.num_accepted([*thought, *answer]) == len(thought) + len(answer)
    assert matcher.num_accepted([*thought, *answer[1:], answer[0]]) < len(thought) + len(answer)
    assert matcher.behind([*thought, *answer]).is_complete
    assert matcher.num_accepted([*thought[:-1], *answer[::-1]]) >= len(thought) - 1
    assert not matcher.is_complete
