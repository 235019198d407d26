"""A grammar that begins where the thinking ends: before that, the model says what it likes."""

import copy
from collections.abc import Iterable, Iterator
from ctypes import c_int32
from typing import TypeAlias

import torch

from service.engine.grammars.matcher import GrammarMatcher, GrammarVocabulary
from service.engine_protocol.thinking import Thinking


class AnswerMatcher:
    """Follows one completion through its thinking, and its answer through a grammar.

    The thinking can't end the completion: the form that was asked for would be missing.

    Args:
        matcher: Of the answer, at its start.
        thinking: What stands around the thinking, both of them tokens.
        vocabulary: What the matcher was compiled for.
    """

    def __init__(self, matcher: GrammarMatcher, thinking: Thinking, vocabulary: GrammarVocabulary) -> None:
        assert thinking.begin_token_id is not None
        self._matcher = matcher
        self._begin_token_id, self._end_token_id = thinking.begin_token_id, thinking.end_token_id
        self._num_tokens = vocabulary.end_token_id  # a token that was added behind all others
        self._is_thinking = thinking.is_open
        self._may_begin = not thinking.is_open

    @property
    def is_complete(self) -> bool:
        """See `GrammarMatcher`."""
        return not self._is_thinking and self._matcher.is_complete

    def allowed(self, eos_token_ids: Iterable[int], stop_token_ids: Iterable[int] = ()) -> torch.Tensor:
        """See `GrammarMatcher.allowed`. While the model thinks, all tokens but those that end the completion."""
        if self._is_thinking:
            allowed = _all(self._num_tokens)
            for place, bit in _bits([*eos_token_ids, *stop_token_ids], len(allowed)):
                allowed[place] &= ~bit
            return allowed
        allowed = self._matcher.allowed(eos_token_ids, stop_token_ids)
        if self._may_begin:
            allowed = allowed.clone()
            for place, bit in _bits([self._begin_token_id], len(allowed)):
                allowed[place] |= bit
        return allowed

    def num_accepted(self, draft: list[int]) -> int:
        """See `GrammarMatcher.num_accepted`."""
        other = copy.copy(self)
        for place, token_id in enumerate(draft):
            if not other._is_thinking and not (other._may_begin and token_id == self._begin_token_id):
                return place + self._matcher.num_accepted(draft[place:])
            other.accept(token_id)  # which does not reach the answer's matcher
        return len(draft)

    def behind(self, draft: list[int]) -> "AnswerMatcher":
        """See `GrammarMatcher.behind`."""
        other = copy.copy(self)
        other._matcher = self._matcher.behind([])
        for token_id in draft:
            other.accept(token_id)
        return other

    def accept(self, token_id: int) -> None:
        """See `GrammarMatcher.accept`."""
        may_begin, self._may_begin = self._may_begin, False
        if self._is_thinking:
            self._is_thinking = token_id != self._end_token_id
        elif may_begin and token_id == self._begin_token_id:
            self._is_thinking = True
        else:
            self._matcher.accept(token_id)


Matcher: TypeAlias = GrammarMatcher | AnswerMatcher


def _all(num_tokens: int) -> torch.Tensor:
    """The bitmask of all tokens below a number."""
    num_words, num_bits = divmod(num_tokens, 32)
    words = torch.full((num_words + 1,), -1, dtype=torch.int32)
    words[-1] = (1 << num_bits) - 1
    return words


def _bits(token_ids: Iterable[int], num_words: int) -> Iterator[tuple[int, int]]:
    """The word of each token, if there are so many words, and its bit as int32 has it."""
    for token_id in token_ids:
        place, bit = divmod(token_id, 32)
        if place < num_words:
            yield place, c_int32(1 << bit).value
