"""From logits to the next tokens, for rows that each have their own parameters.

The order of operations is transformers' (`GenerationMixin._get_logits_processor`):

1. Tokens that are not allowed, those that would complete a bad word, and those that end the completion before
   `min_tokens` get the logit -inf.
2. `logit_bias` is added.
3. The penalties. Repetition: Keskar et al., CTRL (arXiv:1909.05858, section 4.1), over prompt and completion, and as
   transformers and vLLM do it: positive logits are divided, negative ones multiplied. Frequency and presence: OpenAI's
   definition, over the completion: `logit - count * frequency_penalty - (count > 0) * presence_penalty`.
4. Temperature 0 takes the most likely token here. Any other divides the logits; one below 1e-6 counts as 1e-6.
5. `top_k`, then `top_p` over what is left, then `min_p` (Nguyen et al., arXiv:2407.01082). With `min_p`, tokens stay
   that are at least `min_p` times as likely as the most likely one. Tokens exactly as likely as the last one that
   stays, stay too.

vLLM (`vllm/v1/sample/sampler.py`) has the same order, except that its min_p comes before top_k and top_p.

A draw is one uniform number. It is looked up in the cumulative distribution in the vocabulary's order. So the token
depends on the row alone, and not on how the batch was sorted.
"""

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from service.engine.device import is_cpu, tensor_to_device, to_device
from service.engine.sampling.sampled import IS_EMPTY, IS_INVALID, LogprobsTensors, SamplerOutput
from service.engine.sampling.truncation import truncate
from service.engine.scheduling.sequence import TokenCounts
from service.engine_protocol.sampling_params import SamplingParams

_NUM_SUMMED = 128
"""The number of neighbours in the vocabulary that a look-up first takes as one."""

_MIN_TEMPERATURE = 1e-6
"""Below it the quotient would overflow."""


@dataclass(frozen=True, slots=True)
class SamplingRow:
    """All that decides a row's token besides its logits.

    Attributes:
        params: How it is sampled.
        index: The index that the token will have in its completion.
        token_counts: What penalties are reckoned from; needed where `params` has any.
        allowed: The tokens that can be sampled at all, int32 [words] on the CPU, as llguidance lays it out: bit i of
            word w is token 32 * w + i. Tokens beyond the words are not allowed. None for all.
        forbidden: Tokens that can't be sampled besides.
    """

    params: SamplingParams
    index: int
    token_counts: TokenCounts | None = None
    allowed: torch.Tensor | None = None
    forbidden: Sequence[int] = ()

    @property
    def excluded(self) -> Iterator[int]:
        """Single tokens that can't be sampled."""
        yield from self.forbidden
        if self.index < self.params.min_tokens:
            yield from self.params.eos_token_ids
            yield from self.params.stop_token_ids

    @property
    def is_adjusted(self) -> bool:
        """Tells if its logits are changed before anything is sampled."""
        params = self.params
        is_early = self.index < params.min_tokens
        is_masked = self.allowed is not None or bool(self.forbidden)
        return is_masked or is_early or bool(params.logit_bias) or params.has_penalties

    @property
    def is_plain(self) -> bool:
        """Tells if it takes the most likely token and nothing else is asked for."""
        return self.params.temperature == 0 and not self.is_adjusted


def uniform(seed: int, index: int) -> float:
    """The draw for completion token `index` of a request with this seed: a number in [0, 1).

    A hash instead of a generator: there is no state that preemption, batching or speculation could disturb.
    """
    digest = hashlib.blake2b(seed.to_bytes(8, "little", signed=True) + index.to_bytes(8, "little"), digest_size=8)
    return (int.from_bytes(digest.digest(), "little") >> 11) / (1 << 53)


def sample(logits: torch.Tensor, rows: list[SamplingRow]) -> SamplerOutput:
    """Samples a token for each row, without waiting for the device.

    Args:
        logits: [rows, vocabulary], floating point; left as they are.
        rows: One for each row of `logits`.

    Returns:
        What was sampled, on the device of `logits`.
    """
    outcomes, is_finite = _most_likely(logits)
    others = [place for place, row in enumerate(rows) if not row.is_plain]
    if others:
        where = to_device(others, logits.device)
        sampled = _sample_not_plain(logits.index_select(0, where), [rows[place] for place in others])
        outcomes = outcomes.index_copy(0, where, sampled)
    if is_finite is not None:
        outcomes = outcomes.where(is_finite, IS_INVALID)
    counts = {place: row.params.num_logprobs for place, row in enumerate(rows) if row.params.num_logprobs is not None}
    return SamplerOutput(outcomes, logprobs_of(logits, counts, outcomes) if counts else None)


def _sample_not_plain(logits: torch.Tensor, rows: list[SamplingRow]) -> torch.Tensor:
    """The outcomes of rows that do not all take the most likely one, int64 [rows]; `logits` may be changed.

    What comes out for rows without valid logits means nothing.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if not any(row.is_adjusted for row in rows):
        return _random_sample(logits, rows)
    _exclude(logits, rows)
    _add_biases(logits, rows)
    _penalize(logits, rows)
    outcomes, is_finite = _most_likely(logits)
    not_greedy = [place for place, row in enumerate(rows) if row.params.temperature > 0]
    if not_greedy:
        where = to_device(not_greedy, logits.device)
        rest = logits if len(not_greedy) == len(rows) else logits.index_select(0, where)
        outcomes = outcomes.index_copy(0, where, _random_sample(rest, [rows[place] for place in not_greedy]))
    return outcomes if is_finite is None else outcomes.where(is_finite, IS_EMPTY)


def _most_likely(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The first token that has the largest logit of each row, and whether that is finite.

    int64 and bool [rows]; None where all are known to be finite. NaN is the largest.
    """
    if not is_cpu(logits.device) or logits.dtype is not torch.float32:
        best = logits.max(dim=-1)
        return best.indices, best.values.isfinite()
    # numpy compares as many numbers at once as the processor can; PyTorch takes ten times as long.
    numbers = logits.numpy()
    indices = numbers.argmax(axis=-1)
    is_finite = np.isfinite(numbers[np.arange(len(numbers)), indices])
    return torch.from_numpy(indices), None if is_finite.all() else torch.from_numpy(is_finite)


def _exclude(logits: torch.Tensor, rows: list[SamplingRow]) -> None:
    """Gives tokens that must not be sampled the logit -inf, in place."""
    masked = {place: row.allowed for place, row in enumerate(rows) if row.allowed is not None}
    if masked:
        words = tensor_to_device(pad_sequence(list(masked.values()), batch_first=True), logits.device)
        forbidden = _unpack_forbidden(words)[:, : logits.shape[-1]]
        where = to_device(list(masked), logits.device)
        kept = logits[where, : forbidden.shape[1]].masked_fill_(forbidden, -torch.inf)
        logits.index_fill_(0, where, -torch.inf)
        logits[where, : forbidden.shape[1]] = kept
    excluded = [
        (place, token_id) for place, row in enumerate(rows) for token_id in row.excluded if token_id < logits.shape[-1]
    ]
    if excluded:
        logits[to_device(excluded, logits.device).unbind(dim=1)] = -torch.inf


def _unpack_forbidden(words: torch.Tensor) -> torch.Tensor:
    """Marks where bitmasks, int32 [rows, words], are 0: bool [rows, 32 * words]."""
    # Through bytes, of which the machines that torch runs on keep the least significant first: a quarter of the memory.
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    bits = (words.view(torch.uint8)[:, :, None] >> shifts).bitwise_and_(1)
    return bits.bitwise_xor_(1).view(torch.bool).flatten(1)


def _add_biases(logits: torch.Tensor, rows: list[SamplingRow]) -> None:
    biases = [(place, *bias) for place, row in enumerate(rows) for bias in row.params.logit_bias]
    if biases:
        places, token_ids, values = zip(*biases, strict=True)
        where = to_device([places, token_ids], logits.device).unbind()
        logits[where] += to_device(values, logits.device, logits.dtype)


def _penalize(logits: torch.Tensor, rows: list[SamplingRow]) -> None:
    """Applies the three penalties to the tokens that the rows have, in place."""
    places, penalties, lengths = [], [], []
    token_ids, counts = array("q"), array("q")
    for place, row in enumerate(rows):
        if row.params.has_penalties:
            assert row.token_counts is not None, "a row with penalties comes with its counts"
            token_ids.extend(row.token_counts.token_ids)
            counts.extend(row.token_counts.counts)
            lengths.append(len(row.token_counts.token_ids))
            places.append(place)
            p = row.params
            penalties.append((p.repetition_penalty, p.frequency_penalty, p.presence_penalty))
    if not places:
        return

    def spread(of_rows: torch.Tensor) -> torch.Tensor:
        return tensor_to_device(of_rows.repeat_interleave(torch.tensor(lengths), dim=0), logits.device)

    def buffered(numbers: "array[int]") -> torch.Tensor:
        return tensor_to_device(torch.frombuffer(numbers, dtype=torch.int64), logits.device)

    where, count = (spread(torch.tensor(places)), buffered(token_ids)), buffered(counts)
    repetition, frequency, presence = spread(torch.tensor(penalties, dtype=logits.dtype)).unbind(dim=1)
    values = logits[where]
    values = torch.where(values > 0, values / repetition, values * repetition)
    logits[where] = values - count * frequency - (count > 0) * presence


def _random_sample(logits: torch.Tensor, rows: list[SamplingRow]) -> torch.Tensor:
    params = [row.params for row in rows]
    temperatures = _column([max(p.temperature, _MIN_TEMPERATURE) for p in params], logits)
    probabilities = torch.softmax(logits.div_(temperatures), dim=-1)
    truncate(probabilities, params)
    return _invert(probabilities, [uniform(row.params.seed, row.index) for row in rows])


def _invert(probabilities: torch.Tensor, uniforms: list[float]) -> torch.Tensor:
    """The tokens on which numbers in [0, 1) fall in the rows' cumulative distributions, in the vocabulary's order.

    int64 [rows]. Looks first among the sums of neighbours: the running sum of a whole vocabulary in float64 takes most
    of the sampling.
    """
    vocabulary = probabilities.shape[-1]
    num_sums, num_left = divmod(vocabulary, _NUM_SUMMED)
    whole = probabilities[:, : vocabulary - num_left].view(len(probabilities), num_sums, _NUM_SUMMED)
    left = probabilities[:, vocabulary - num_left :]
    sums = whole.sum(dim=-1, dtype=torch.float64), left.sum(dim=-1, keepdim=True, dtype=torch.float64)
    cumulative = torch.cat(sums, dim=1).cumsum(dim=1)
    targets = to_device(uniforms, probabilities.device, torch.float64)[:, None] * cumulative[:, -1:]
    found = _first_above(cumulative, targets)
    before = torch.nn.functional.pad(cumulative, (1, 0)).gather(1, found)
    token_ids = found * _NUM_SUMMED + torch.arange(_NUM_SUMMED, device=probabilities.device)
    neighbours = probabilities.gather(1, token_ids.clamp(max=vocabulary - 1)).masked_fill_(token_ids >= vocabulary, 0)
    places = _first_above(neighbours.cumsum(dim=1, dtype=torch.float64), targets - before)
    return token_ids.gather(1, places)[:, 0]


def _first_above(cumulative: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The place where each row's running sum first is above its target: never at a summand of 0. int64 [rows, 1].

    No sum of NaN is above anything; such a row gets its last place, so that it can be looked up.
    """
    total = cumulative[:, -1:]
    below_total = torch.minimum(targets, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below_total, right=True).clamp_(max=cumulative.shape[1] - 1)


def logprobs_of(logits: torch.Tensor, counts: dict[int, int], token_ids: torch.Tensor) -> LogprobsTensors:
    """The log probabilities of tokens and of the most likely ones at their places.

    Args:
        logits: [rows, vocabulary].
        counts: Which rows, at least one, and of how many of the most likely tokens each.
        token_ids: Each row's token, int64 [rows].
    """
    where = to_device(list(counts), logits.device)
    precision = torch.promote_types(logits.dtype, torch.float32)
    logprobs = torch.log_softmax(logits.index_select(0, where).to(precision), dim=-1)
    of_tokens = logprobs.gather(1, token_ids.index_select(0, where).clamp(min=0)[:, None])
    top = logprobs.topk(min(max(counts.values()), logits.shape[-1]), dim=-1)
    return LogprobsTensors(counts, of_tokens, top.values, top.indices)


def _column(numbers: list[float], like: torch.Tensor) -> torch.Tensor:
    return to_device(numbers, like.device, like.dtype)[:, None]
