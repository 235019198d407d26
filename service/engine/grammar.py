"""Grammars: which tokens a completion may go on with, so that it takes the form that its request asks for.

llguidance compiles a grammar and computes, for each token, the bitmask of those that may follow. Compiling happens in a
thread that holds the interpreter's lock for next to nothing of it, so no step waits. What a client sends is not
trusted: it is compiled on trial first, and whatever goes wrong in one request's matcher ends that request only.
"""

import json
import re
from array import array
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from llguidance import LLMatcher, LLTokenizer, regex_to_lark
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from service.engine.grammar_trial import LIMITS, GrammarTrial
from service.engine.messages import GrammarKind, GrammarSpec
from service.engine.sampling import SamplingError

_END = "<|grammar:end|>"
"""No model's token. llguidance allows it where the text may end; which ones end a completion, its request says."""

_MAX_TEMPLATES = 32

_JSON_OPTIONS = {
    "item_separator": ",",
    "key_separator": ":",
    # Room to write JSON as people do, and not the endless white space that some models fall into.
    "whitespace_pattern": r" |\r?\n[ \t]{0,32}",
    "coerce_one_of": False,
    "lenient": False,
}
_JSON_LINE_OPTIONS = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "coerce_one_of": False,
    "lenient": False,
}


class GrammarError(SamplingError):
    """Why a completion can't have the form that was asked for, in words for the client that follow the field's name."""


class GrammarMatcher:
    """Follows one completion through its grammar.

    Args:
        template: The grammar. What copies of its matcher learn of it they share.
        vocabulary: What it was compiled for.

    Attributes:
        is_complete: Whether the text is whole and nothing can follow it.

    Raises:
        GrammarError: No token can begin the text.
    """

    def __init__(self, template: "_Template", vocabulary: "_Vocabulary") -> None:
        self._template = template
        self._matcher = template.matcher.deep_copy()
        self._end_word, end_bit = divmod(vocabulary.end_token_id, 32)
        self._end_mask = 1 << end_bit
        self._bits = array("I", bytes(4 * -(-vocabulary.tokenizer.vocab_size // 32)))
        self._words = torch.frombuffer(self._bits, dtype=torch.int32)
        self._fill()
        self.is_complete = not self._words.any()

    def allowed(self, eos_token_ids: Iterable[int]) -> torch.Tensor:
        """The tokens that the completion can go on with, and those that end it where it may end.

        Returns:
            int32 [words] on the CPU, see `SamplingRow.allowed`; good until `accept`.

        Raises:
            GrammarError: There is none, or to find them takes too much.
        """
        if not self._is_filled:
            self._fill()
        for token_id in eos_token_ids:
            word, bit = divmod(token_id, 32)
            if word < len(self._bits):
                self._bits[word] = self._bits[word] & ~(1 << bit) | self._may_end << bit
        return self._words

    def accept(self, token_id: int) -> None:
        """Follows the completion over its next token, which is none that ends it.

        Raises:
            GrammarError: The token was not allowed, or to follow it takes too much.
        """
        self._is_filled = False
        if not self._matcher.consume_token(token_id):
            raise self._error()
        if self._matcher.is_stopped():
            self.is_complete = True
        elif self._matcher.is_accepting():
            self._fill()
            self.is_complete = not self._words.any()

    def _fill(self) -> None:
        """Computes the bitmask, without tokens that end the completion."""
        self._matcher.unsafe_compute_mask_ptr(self._words.data_ptr(), self._words.nbytes)
        if self._matcher.is_error():
            raise self._error()
        self._may_end = bool(self._bits[self._end_word] & self._end_mask)
        self._bits[self._end_word] &= ~self._end_mask
        self._is_filled = True

    def _error(self) -> GrammarError:
        self._template.is_spent = True
        return _refusal(self._matcher.get_error())


class GrammarCompiler:
    """Makes matchers for one checkpoint's vocabulary, one after the other in a thread of its own.

    To make it takes up to seconds: building the vocabulary holds the interpreter's lock, so better now than later.

    Args:
        checkpoint: A folder; without a tokenizer.json that llguidance knows how to use, every grammar is refused.
        timeout_s: How long compiling a grammar may take.
    """

    def __init__(self, checkpoint: Path, timeout_s: float = 5.0) -> None:
        self._thread = ThreadPoolExecutor(1, "grammars")
        self._vocabulary = self._thread.submit(_load_vocabulary, checkpoint)
        wait([self._vocabulary])
        self._trial = GrammarTrial(timeout_s)
        self._templates: OrderedDict[GrammarSpec, _Template] = OrderedDict()

    def compile(self, spec: GrammarSpec) -> Future[GrammarMatcher]:
        """A matcher at the start of its text, once it is made; a `GrammarError` for a grammar that can't be met."""
        return self._thread.submit(self._compile, spec)

    def close(self) -> None:
        """Ends the thread and the process of the trials."""
        self._thread.shutdown(cancel_futures=True)
        self._trial.close()

    def _compile(self, spec: GrammarSpec) -> GrammarMatcher:
        if (error := self._vocabulary.exception()) is not None:
            raise GrammarError(f"can't be used with this model: {error}")
        vocabulary = self._vocabulary.result()
        template = self._templates.pop(spec, None)
        if template is None or template.is_spent:
            template = self._new_template(spec, vocabulary)
        matcher = GrammarMatcher(template, vocabulary)
        if matcher.is_complete:
            raise _refusal("it allows nothing but an empty text")
        self._templates[spec] = template
        if len(self._templates) > _MAX_TEMPLATES:
            self._templates.popitem(last=False)
        return matcher

    def _new_template(self, spec: GrammarSpec, vocabulary: "_Vocabulary") -> "_Template":
        # A text that loses its leading space when it is decoded must have one to lose.
        start = 'start: " " @text' if vocabulary.strips_space else "start: @text"
        grammar = json.dumps({"grammars": [{"lark_grammar": start}, {"name": "text", **_grammar(spec)}]})
        if error := self._trial.find_error(grammar):
            raise _refusal(error)
        matcher = LLMatcher(vocabulary.tokenizer, grammar, log_level=0, limits=LIMITS)
        if matcher.is_error():
            raise _refusal(matcher.get_error())
        return _Template(matcher)


@dataclass(slots=True)
class _Template:
    """A compiled grammar at the start of its text.

    Attributes:
        matcher: Is only copied.
        is_spent: Whether a copy has failed. The automaton that copies build up together may be at its limit then.
    """

    matcher: LLMatcher
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """A checkpoint's tokens as llguidance knows them.

    Attributes:
        tokenizer: With `_END` added.
        end_token_id: That token.
        strips_space: Whether a text loses its leading space when it is decoded, as SentencePiece's do.
    """

    tokenizer: LLTokenizer
    end_token_id: int
    strips_space: bool


def _load_vocabulary(checkpoint: Path) -> _Vocabulary:
    if not (checkpoint / "tokenizer.json").is_file():
        raise OSError("its checkpoint has no tokenizer.json")
    backend: Tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint, local_files_only=True).backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.add_special_tokens([_END])
    end_token_id = backend.token_to_id(_END)
    assert end_token_id is not None
    tokenizer = LLTokenizer(backend.to_str(), eos_token=end_token_id)
    spaced = tokenizer.greedy_tokenize(" a")
    strips_space = tokenizer.decode_bytes(spaced) == b" a" and backend.decode(spaced) == "a"
    return _Vocabulary(tokenizer, end_token_id, strips_space)


def _grammar(spec: GrammarSpec) -> dict[str, Any]:
    match spec.kind:
        case GrammarKind.JSON_SCHEMA:
            return {"json_schema": {**json.loads(spec.texts[0]), "x-guidance": _JSON_OPTIONS}}
        case GrammarKind.JSON_LINE:
            return {"json_schema": {**json.loads(spec.texts[0]), "x-guidance": _JSON_LINE_OPTIONS}}
        case GrammarKind.REGEX:
            return {"lark_grammar": f"start: /{regex_to_lark(spec.texts[0], '')}/"}
        case GrammarKind.CHOICE:
            return {"lark_grammar": "start: " + " | ".join(map(json.dumps, spec.texts))}


def _refusal(reason: str) -> GrammarError:
    """Puts what llguidance says into words for who has sent the grammar."""
    if "<backtrace>" in reason:
        reason = "llguidance can't compile it"
    elif reason.startswith("NoExtensionBias"):
        reason = "the model has no token that could go on"
    elif "coerce_one_of" in reason:
        reason = "the alternatives of a oneOf may overlap: use anyOf"
    # An error in a regular expression stands below a drawing of the place.
    drawn = re.search(r"^error: (.+)$", reason, re.MULTILINE)
    line = drawn[1] if drawn else reason.splitlines()[0].replace("Unimplemented keys", "unsupported keywords")
    return GrammarError(f"can't be met: {line}")
