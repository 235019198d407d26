"""Grammars: which tokens a completion may go on with, so that it takes the form that its request asks for.

llguidance computes, for each token, the bitmask of those that may follow. Whatever goes wrong in one request's matcher
ends that request only. An engine without grammars runs without llguidance: only their compiler imports it.
"""

import copy
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from service.engine.sampling.sampled import SamplingError

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer


class GrammarError(SamplingError):
    """A reason why a completion can't have the form that was asked for; for the client, behind the field's name."""


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

    def __init__(self, template: "GrammarTemplate", vocabulary: "GrammarVocabulary") -> None:
        self._template = template
        self._matcher = template.matcher.deep_copy()
        self._end_word, end_bit = divmod(vocabulary.end_token_id, 32)
        self._end_mask = 1 << end_bit
        self._bits = array("I", bytes(4 * -(-vocabulary.tokenizer.vocab_size // 32)))
        self._words = torch.frombuffer(self._bits, dtype=torch.int32)
        self._fill()
        self.is_complete = not self._words.any()

    def allowed(self, eos_token_ids: Iterable[int], stop_token_ids: Iterable[int] = ()) -> torch.Tensor:
        """The tokens that the completion can go on with, and those that end it where it may end.

        Args:
            eos_token_ids: Tokens that only end it.
            stop_token_ids: Tokens that end it too, but also wherever its text could go on with them.

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
        for token_id in stop_token_ids:
            word, bit = divmod(token_id, 32)
            if word < len(self._bits):
                self._bits[word] |= self._may_end << bit
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

    def num_accepted(self, draft: list[int]) -> int:
        """The number of some tokens, none of which ends the completion, may come next one after the other."""
        return self._matcher.validate_tokens(draft)

    def behind(self, draft: list[int]) -> "GrammarMatcher":
        """Another, which has followed the completion over such tokens too; this one stays where it is.

        Raises:
            GrammarError: As `accept`.
        """
        other = copy.copy(self)
        other._matcher = self._matcher.deep_copy()
        other._bits = self._bits[:]
        other._words = torch.frombuffer(other._bits, dtype=torch.int32)
        for token_id in draft:
            other.accept(token_id)
        return other

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
        return refusal(self._matcher.get_error())


@dataclass(slots=True)
class GrammarTemplate:
    """A compiled grammar at the start of its text.

    Attributes:
        matcher: Is only copied.
        is_spent: Whether a copy has failed. The automaton that copies build up together may be at its limit then.
    """

    matcher: "LLMatcher"
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class GrammarVocabulary:
    """A checkpoint's tokens as llguidance knows them.

    Attributes:
        tokenizer: With a token added that no model has.
        end_token_id: That token, which is allowed where the text may end.
        strips_space: Whether a text loses its leading space when it is decoded, as SentencePiece's do.
        added_tokens: The ids of tokens that are no text for the tokenizer, by what they are called.
    """

    tokenizer: "LLTokenizer"
    end_token_id: int
    strips_space: bool
    added_tokens: Mapping[str, int]


def refusal(reason: str) -> GrammarError:
    """Puts what llguidance says into words for who has sent the grammar."""
    if "<backtrace>" in reason:
        reason = "llguidance can't compile it"
    elif reason.startswith("NoExtensionBias"):
        reason = "the model has no token that could go on"
    elif "anyOf is empty" in reason:
        reason = "no value is left: an enum or an anyOf is empty, or no multipleOf is within the bounds"
    # An error in a regular expression stands below a picture of the place.
    error = re.search(r"^error: (.+)$", reason, re.MULTILINE)
    line = error[1] if error else reason.splitlines()[0].replace("Unimplemented keys", "unsupported keywords")
    return GrammarError(f"can't be met: {line}")
