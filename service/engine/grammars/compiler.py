"""Compiles grammars with llguidance, beside the steps.

Compiling happens in a thread that holds the interpreter's lock for next to nothing of it, so no step waits. What a
client sends is not trusted: it is compiled on trial first.
"""

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from llguidance import LLMatcher, LLTokenizer, regex_to_lark
from tokenizers import Tokenizer

from service.checkpoints.gguf import is_gguf
from service.checkpoints.tokenizer import load_tokenizer
from service.checkpoints.tokenizer_model import has_tokenizer
from service.engine.grammars import trial as grammar_trial
from service.engine.grammars.matcher import GrammarError, GrammarMatcher, GrammarTemplate, GrammarVocabulary, refusal
from service.engine.grammars.thinking import AnswerMatcher, Matcher
from service.engine_protocol.messages import GrammarKind, GrammarSpec
from service.engine_protocol.thinking import Thinking
from service.work_lanes.lanes import WorkLanes, answer_of
from service.work_lanes.line_process import LineProcess

_END = "<|grammar:end|>"
"""No model's token. llguidance allows it where the text may end; which ones end a completion, its request says."""

_MAX_TEMPLATES = 32

_QUICK_S = 0.2
"""Seconds of the processor after which a grammar is one of those that wait for each other, apart from all others."""

_LONGEST_S = 10.0
"""The same after which the trial of one ends itself, should nobody be left to do it."""

_JSON_OPTIONS = {
    "item_separator": ",",
    "key_separator": ":",
    # Room to write JSON as people do, and not the endless white space that some models fall into.
    "whitespace_pattern": r" |\r?\n[ \t]{0,32}",
    "coerce_one_of": True,  # that no more than one fits is checked at the end
    "lenient": False,
}
_JSON_LINE_OPTIONS = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "coerce_one_of": True,  # that no more than one fits is checked at the end
    "lenient": False,
}


class GrammarCompiler:
    """Makes matchers for one checkpoint's vocabulary, in threads of its own for known, for new and for slow ones.

    To make it takes up to seconds: building the vocabulary holds the interpreter's lock, so better now than later.

    Args:
        checkpoint: Its folder or GGUF file; without a tokenizer that llguidance knows how to use, every grammar is
            refused.
        timeout_s: How long compiling a grammar may take.
    """

    def __init__(self, checkpoint: Path, timeout_s: float = 5.0) -> None:
        self._known = ThreadPoolExecutor(1, "known-grammars")
        self._vocabulary = self._known.submit(_load_vocabulary, checkpoint)
        wait([self._vocabulary])
        too_long = f"compiling it takes more than {timeout_s:g} s, or too much memory"
        limits_s = (_QUICK_S, _LONGEST_S)
        self._new = WorkLanes(Path(grammar_trial.__file__), limits_s, timeout_s, lambda: refusal(too_long))
        self._templates: OrderedDict[GrammarSpec, GrammarTemplate] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, spec: GrammarSpec) -> Future[Matcher]:
        """A matcher at the start of its text, once it is made; a `GrammarError` for a grammar that can't be met."""
        thinking = spec.thinking
        if thinking is not None and thinking.end_token_id is not None:
            spec = replace(spec, thinking=None)  # the tokens are looked for beside the grammar
        if template := self._template(spec):
            return self._known.submit(_matcher, template, self._vocabulary.result(), thinking)
        return self._new.submit(lambda process: self._compile(spec, thinking, process))

    def close(self) -> None:
        """Ends the threads and the processes of the trials."""
        self._known.shutdown(cancel_futures=True)
        self._new.close()

    def _template(self, spec: GrammarSpec) -> GrammarTemplate | None:
        """The template of a known grammar, unless it is at its limit."""
        with self._lock:
            template = self._templates.get(spec)
            if template is None or template.is_spent:
                return None
            self._templates.move_to_end(spec)
            return template

    def _compile(self, spec: GrammarSpec, thinking: Thinking | None, trial: LineProcess) -> Matcher:
        if (error := self._vocabulary.exception()) is not None:
            raise GrammarError(f"can't be used with this model: {error}")
        vocabulary = self._vocabulary.result()
        template = self._template(spec) or self._new_template(spec, vocabulary, trial)
        matcher = _matcher(template, vocabulary, thinking)
        if matcher.is_complete:
            raise refusal("it allows nothing but an empty text")
        with self._lock:
            self._templates[spec] = template
            if len(self._templates) > _MAX_TEMPLATES:
                self._templates.popitem(last=False)
        return matcher

    def _new_template(self, spec: GrammarSpec, vocabulary: GrammarVocabulary, trial: LineProcess) -> GrammarTemplate:
        # A text that loses its leading space when it is decoded must have one to lose.
        if error := json.loads(answer_of(trial, _grammars(spec, {}, strips_space=vocabulary.strips_space))):
            raise refusal(error)
        grammars = _grammars(spec, vocabulary.added_tokens, strips_space=vocabulary.strips_space)
        matcher = LLMatcher(vocabulary.tokenizer, grammars, log_level=0, limits=grammar_trial.LIMITS)
        if matcher.is_error():
            raise refusal(matcher.get_error())
        return GrammarTemplate(matcher)


def _load_vocabulary(checkpoint: Path) -> GrammarVocabulary:
    if not (is_gguf(checkpoint) or has_tokenizer(checkpoint)):
        raise OSError("its checkpoint has no tokenizer that is read")
    backend: Tokenizer = load_tokenizer(checkpoint).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.add_special_tokens([_END])
    end_token_id = backend.token_to_id(_END)
    assert end_token_id is not None
    tokenizer = LLTokenizer(backend.to_str(), eos_token=end_token_id)
    spaced = tokenizer.greedy_tokenize(" a")
    strips_space = tokenizer.decode_bytes(spaced) == b" a" and backend.decode(spaced) == "a"
    added = {token.content: token_id for token_id, token in backend.get_added_tokens_decoder().items()}
    return GrammarVocabulary(tokenizer, end_token_id, strips_space, added)


def _grammars(spec: GrammarSpec, added_tokens: Mapping[str, int], *, strips_space: bool) -> str:
    """The grammar as llguidance takes it.

    Args:
        spec: The grammar.
        added_tokens: The vocabulary's; a token that it lacks is written out.
        strips_space: Whether the completion begins with a space, which is lost when it is decoded.
    """
    space = json.dumps(" " * strips_space)
    start = f"{space} {_beginning(spec.thinking)}" if strips_space else _beginning(spec.thinking)
    if spec.kind is not GrammarKind.LARK:
        return json.dumps({"grammars": [{"lark_grammar": f"start: {start}"}, {"name": "text", **_grammar(spec)}]})
    if spec.thinking is None:
        start = "@text"  # which begins by itself, since before a token stands no space
    lark, *schemas = spec.texts
    begin = space if spec.thinking is None else '""'
    tokens = [f"token_{index}: {_token(spec, index, added_tokens)}" for index in range(len(spec.tokens))]
    text = "\n".join([lark, f"begin: {begin}", *tokens])
    named = [
        {"name": f"{name}_{index}", **_json(schema, options)}
        for index, schema in enumerate(schemas)
        for name, options in (("json", _JSON_OPTIONS), ("line", _JSON_LINE_OPTIONS))
        if re.search(rf"@{name}_{index}\b", lark)
    ]
    return json.dumps(
        {"grammars": [{"lark_grammar": f"start: {start}"}, {"name": "text", "lark_grammar": text}, *named]}
    )


def _token(spec: GrammarSpec, index: int, added_tokens: Mapping[str, int]) -> str:
    token = spec.tokens[index]
    if token in added_tokens:
        return f"<[{added_tokens[token]}]>"
    return f"{'begin ' * (index == 0)}{json.dumps(token)}"


def _json(schema: str, options: Mapping[str, object]) -> dict[str, Any]:
    return {"json_schema": {**json.loads(schema), "x-guidance": options}}


def _matcher(template: GrammarTemplate, vocabulary: GrammarVocabulary, thinking: Thinking | None) -> Matcher:
    matcher = GrammarMatcher(template, vocabulary)
    if thinking is None or thinking.end_token_id is None:
        return matcher
    return AnswerMatcher(matcher, thinking, vocabulary)


def _beginning(thinking: Thinking | None) -> str:
    """The beginning of a completion's grammar: its text, behind the thinking as far as its markers are texts."""
    if thinking is None:
        return "@text"
    begin, end = json.dumps(thinking.begin), json.dumps(thinking.end)
    if thinking.is_open:
        return f"thinking @text\nthinking[suffix={end}]: /(?s:.*)/"
    return f"(@text | begun @text)\nbegun: {begin} thinking\nthinking[suffix={end}]: /(?s:.*)/"


def _grammar(spec: GrammarSpec) -> dict[str, Any]:
    match spec.kind:
        case GrammarKind.JSON_SCHEMA:
            return _json(spec.texts[0], _JSON_OPTIONS)
        case GrammarKind.JSON_LINE:
            return _json(spec.texts[0], _JSON_LINE_OPTIONS)
        case GrammarKind.REGEX:
            return {"lark_grammar": f"start: /{regex_to_lark(spec.texts[0], '')}/"}
        case GrammarKind.CHOICE:
            return {"lark_grammar": "start: " + " | ".join(map(json.dumps, spec.texts))}
        case _:
            raise AssertionError(f"{spec.kind} has no grammar of its own")
