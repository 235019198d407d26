"""Samples the next tokens of sequences; a request whose own fault it is fails alone."""

import logging
from dataclasses import replace

import torch

from service.engine.device import to_device
from service.engine.errors import is_out_of_memory
from service.engine.sampling.sampled import LogprobsTensors, SamplerOutput, SamplingError
from service.engine.sampling.sampling import SamplingRow, logprobs_of, sample
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.sampling_params import SamplingParams

_log = logging.getLogger(__name__)

_SAMPLING_FAILED = (
    "The engine could not choose the next token of this request. The same request may make it fail again."
)

_PLAIN = SamplingRow(SamplingParams(1), 0)
"""In the place of a row that can't be sampled."""


def sample_sequences(logits: torch.Tensor, next_tokens: list[tuple[Sequence, int]]) -> SamplerOutput:
    """Samples a token for each of the sequences together; if that raises, without those for which it raises alone.

    Args:
        logits: [sequences, vocabulary].
        next_tokens: Each sequence, and the index that its token will have in its completion.
    """
    try:
        return sample(logits, [row_of(*one) for one in next_tokens])
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
            raise
    faults = [_fault(logits[place : place + 1], *one) for place, one in enumerate(next_tokens)]
    rows = [row_of(*one) if fault is None else _PLAIN for one, fault in zip(next_tokens, faults, strict=True)]
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


def _fault(logits: torch.Tensor, sequence: Sequence, index: int) -> SamplingError | None:
    """The reason why nothing can be sampled for a sequence by itself; None if something can."""
    try:
        sample(logits, [row_of(sequence, index)])
    except SamplingError as error:
        return error
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
            raise
        _log.exception("sampling failed for %s", sequence.id)
        return SamplingError(_SAMPLING_FAILED)
    return None


def row_of(sequence: Sequence, index: int) -> SamplingRow:
    """The row of a sequence's next token, which will have an index in its completion."""
    return SamplingRow(
        sequence.params, index, sequence.token_counts, _allowed(sequence), sequence.forbidden_token_ids()
    )


def _allowed(sequence: Sequence) -> torch.Tensor | None:
    """The bitmask of the tokens that grammar and request allow; None for all."""
    params, grammar, words = sequence.params, sequence.grammar, sequence.allowed_words
    own = None if words is None else torch.frombuffer(words, dtype=torch.int32)
    if grammar is None:
        return own
    # A grammar computes its bitmask here, while a GPU still computes the logits.
    allowed: torch.Tensor = grammar.allowed(params.eos_token_ids, params.stop_token_ids)
    if own is None:
        return allowed
    num_words = min(len(own), len(allowed))
    return own[:num_words] & allowed[:num_words]
