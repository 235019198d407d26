"""A grammar that can't be met is refused before its request runs, and one that fails later fails alone."""

import random
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models

from service.engine.grammars.compiler import GrammarCompiler
from service.engine.grammars.matcher import GrammarError
from service.engine.grammars.thinking import Matcher
from service.engine_protocol.messages import Failure, FailureCause, GrammarSpec, StepOutput
from service.engine_protocol.sampling_params import FinishReason
from tests.support.engines import finish, tokens_of
from tests.support.grammars import ENDLESS, PROMPT, Model, choice, is_whole, regex, sampled, save_model, schema
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    model = Model(save_model(tmp_path_factory.mktemp("tiny"), byte_level_tokenizer(512)), timeout_s=5.0)
    yield model
    model.compiler.close()


REFUSED = [
    (schema({"not": {"type": "null"}}), 'unsupported keywords: ["not"]'),
    (schema({"items": {"uniqueItems": True, "contains": {}}}), 'unsupported keywords: ["contains", "uniqueItems"]'),
    (schema({"type": "strin"}), "Invalid type: strin"),
    (schema({"type": "string", "format": "zip"}), "Unknown format: zip"),
    (schema({"anyOf": []}), "no value is left"),
    (schema({"type": "string", "pattern": "(?=a)b"}), "look-around"),
    (schema({"minimum": 5, "maximum": 3, "type": "integer"}), "minimum (5) is greater than maximum (3)"),
    (schema({"required": ["a"], "type": "object", "additionalProperties": False}), "'a' is unsatisfiable"),
    (schema({"$ref": "#"}), "no token"),
    (schema({"$ref": "#/$defs/gone"}), "/$defs/gone"),
    (schema({"type": "string", "minLength": "é" * 200}), "can't compile it"),
    (schema({"allOf": [{"anyOf": [{"minLength": n} for n in range(9)]}] * 9}), "too large"),
    (schema(ENDLESS), "more than 5 s"),
    (regex("("), "unclosed group"),
    (regex(r"\bfoo"), "not supported"),
    (regex("(?:)"), "nothing but an empty text"),
    (choice(""), "nothing but an empty text"),
]


@pytest.mark.parametrize(("spec", "words"), REFUSED)
def test_what_can_not_be_met_is_refused_with_the_reason(tiny: Model, spec: GrammarSpec, words: str) -> None:
    with pytest.raises(GrammarError) as caught:
        tiny.compiler.compile(spec).result()
    message = str(caught.value)
    assert message.startswith("can't be met: ")
    assert words in message
    assert "\n" not in message
    assert tiny.compiler.compile(choice("yes", "no")).result()


@pytest.fixture
def eight_letters(tmp_path: Path) -> Iterator[Model]:
    """A model that can write no others."""
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate("abcdefgh")}, []))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    model = Model(save_model(tmp_path, tokenizer))
    yield model
    model.compiler.close()


def test_a_text_ends_where_the_model_has_no_token_that_could_follow(eight_letters: Model) -> None:
    text, reason = eight_letters.complete(regex("[ab]z*"), eos_token_ids=frozenset())
    assert (text in "ab", reason) == (True, FinishReason.STOP)


def test_a_dead_end_ends_its_own_request_only(eight_letters: Model) -> None:
    model = eight_letters
    model.submit("lost", regex("[ab][cd]([ef]|z{3})[xyz]"), sampled())
    model.submit("found", regex("[ab]{9}"), sampled())
    failed: list[Failure] = []
    outputs: list[StepOutput] = []
    while model.engine.has_work:
        result = model.engine.step()
        failed += result.failed
        outputs += result.outputs
    message = "can't be met: the model has no token that could go on"
    assert failed == [Failure("lost", message, FailureCause.GRAMMAR)]
    assert re.fullmatch("[ab][cd][ef]", model.text(tokens_of(outputs, "lost")))
    assert re.fullmatch("[ab]{9}", model.text(tokens_of(outputs, "found")))
    assert is_whole(model.engine)


def test_a_checkpoint_without_a_tokenizer_refuses_every_grammar(tmp_path: Path) -> None:
    with closing(GrammarCompiler(tmp_path)) as compiler:
        error = compiler.compile(choice("a")).exception()
    assert isinstance(error, GrammarError)
    assert str(error) == "can't be used with this model: its checkpoint has no tokenizer that is read"


def test_a_tokenizer_that_llguidance_can_not_follow_refuses_every_grammar(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "a": 2}, unk_token="a")))
    with closing(GrammarCompiler(tmp_path)) as compiler:
        error = compiler.compile(choice("a")).exception()
    assert isinstance(error, GrammarError)
    assert "can't be used with this model: can't determine decoder type" in str(error)


def test_compiling_is_off_the_thread_that_steps(tiny: Model) -> None:
    endless = tiny.compiler.compile(schema(ENDLESS))
    tiny.engine.submit("it", PROMPT, sampled(max_tokens=20))
    assert len(tokens_of(finish(tiny.engine), "it")) <= 20
    assert not endless.done()
    assert endless.exception() is not None


def num_accepted(matcher: Matcher, token_ids: list[int]) -> int:
    """How many tokens it follows before it fails."""
    for place, token_id in enumerate(token_ids):
        try:
            matcher.allowed(())
            matcher.accept(token_id)
        except GrammarError:
            return place
    return len(token_ids)


def test_a_grammar_at_its_limit_is_compiled_anew_for_the_next_request(tiny: Model) -> None:
    spec = regex("(a|b)*a(a|b){40}")
    draw = random.Random(0)
    token_ids = [tiny.token_id(draw.choice("ab")) for _ in range(60_000)]
    num_before = num_accepted(tiny.compiler.compile(spec).result(), token_ids)
    assert 1_000 < num_before < len(token_ids)
    assert num_accepted(tiny.compiler.compile(spec).result(), token_ids[::-1]) > num_before // 2
