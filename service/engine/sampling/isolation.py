"""Samples the next tokens of sequences; a request whose own fault it is fails alone."""

import logging
from dataclasses import replace
from typing import NamedTuple

import torch

from service.engine.device import to_device
from service.engine.errors import is_out_of_memory
from service.engine.sampling.sampled import LogprobsTensors, SamplerOutput, SamplingError
from service.engine.sampling.sampling import SamplingRow, logprobs_of, sample
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Grammar, Sequence
from service.engine_protocol.sampling_params import SamplingParams

_log = logging.getLogger(__name__)

_SAMPLING_FAILED = (
    "The engine could not choose the next token of this request. The same request may make it fail again."
)

_PLAIN = SamplingRow(SamplingParams(1), 0)
"""In the place of a row that can't be sampled."""


class NextToken(NamedTuple):
    """A token to be sampled.

    Attributes:
        sequence: Whose it is.
        nth: The index that it will have in the completion.
        draft: What is taken to stand before it, behind what is known of the completion.
    """

    sequence: Sequence
    nth: int
    draft: list[int] = []  # noqa: RUF012  # nobody adds to it


def next_tokens_of(item: ScheduledSequence) -> list[NextToken]:
    """The tokens that a step samples for a sequence: behind its last one, and behind each of its draft."""
    index = item.sequence.next_index
    return [NextToken(item.sequence, index + count, item.draft[:count]) for count in range(item.num_sampled)]


def sample_sequences(logits: torch.Tensor, next_tokens: list[NextToken]) -> SamplerOutput:
    """Samples tokens together; if that raises, without those for which it raises alone.

    Args:
        logits: [tokens, vocabulary].
        next_tokens: What is to be sampled.
    """
    try:
        return sample(logits, list(map(row_of, next_tokens)))
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
            raise
    faults = [_fault(logits[place : place + 1], one) for place, one in enumerate(next_tokens)]
    rows = [row_of(one) if fault is None else _PLAIN for one, fault in zip(next_tokens, faults, strict=True)]
    errors = {place: fault for place, fault in enumerate(faults) if fault is not None}
    return replace(sample(logits, rows), errors=errors)


def prompt_logprobs(logits: torch.Tensor, prompts: list[ScheduledSequence]) -> LogprobsTensors:
    """The log probabilities of the prompts' tokens that a step asks for.

    Args:
        logits: Those behind the token before each, [tokens, vocabulary].
        prompts: The step's sequences that ask for any, in the order of `logits`.
    """
    token_ids: list[int] = []
    counts: list[int] = []
    for item in prompts:
        first = item.start + 1
        token_ids += item.sequence.token_ids[first : first + item.num_prompt_logits]
        counts += [item.sequence.params.num_prompt_logprobs or 0] * item.num_prompt_logits
    return logprobs_of(logits, dict(enumerate(counts)), to_device(token_ids, logits.device))


def _fault(logits: torch.Tensor, token: NextToken) -> SamplingError | None:
    """The reason why a token can't be sampled by itself; None if it can."""
    try:
        sample(logits, [row_of(token)])
    except SamplingError as error:
        return error
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
            raise
        _log.exception("sampling failed for %s", token.sequence.id)
        return SamplingError(_SAMPLING_FAILED)
    return None


def row_of(token: NextToken) -> SamplingRow:
    """The row of a token to be sampled."""
    sequence, nth, draft = token
    counts, grammar = sequence.token_counts, sequence.grammar
    if draft:
        counts, grammar = counts and counts.with_more(draft), grammar and _behind(grammar, draft)
    return SamplingRow(sequence.params, nth, counts, _allowed(sequence, grammar), sequence.forbidden_token_ids(draft))


def _behind(grammar: Grammar, draft: list[int]) -> Grammar | None:
    """The grammar behind a draft; None if that completes its text, for then nothing is wanted there."""
    behind = grammar.behind(draft)
    return None if behind.is_complete else behind


def _allowed(sequence: Sequence, grammar: Grammar | None) -> torch.Tensor | None:
    """The bitmask of the tokens that grammar and request allow; None for all."""
    params, words = sequence.params, sequence.allowed_words
    own = None if words is None else torch.frombuffer(words, dtype=torch.int32)
    if grammar is None:
        return own
    # A grammar computes its bitmask here, while a GPU still computes the logits.
    allowed: torch.Tensor = grammar.allowed(params.eos_token_ids, params.stop_token_ids)
    if own is None:
        return allowed
    num_words = min(len(own), len(allowed))
    return own[:num_words] & allowed[:num_words]
