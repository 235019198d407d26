"""From logits to the next tokens, for rows that each have their own parameters.

The order of operations is transformers' (`GenerationMixin._get_logits_processor`):

1. Tokens that are not allowed, and end-of-sequence tokens before `min_tokens`, get the logit -inf.
2. `logit_bias` is added.
3. The penalties. Repetition: Keskar et al., CTRL (arXiv:1909.05858, section 4.1), over prompt and completion, and as
   transformers and vLLM do it: positive logits are divided, negative ones multiplied. Frequency and presence: OpenAI's
   definition, over the completion: `logit - count * frequency_penalty - (count > 0) * presence_penalty`.
4. Temperature 0 takes the most likely token here. Any other divides the logits; one below 1e-6 counts as 1e-6.
5. `top_k`, then `top_p` over what is left, then `min_p` (Nguyen et al., arXiv:2407.01082): tokens stay that are at
   least `min_p` times as likely as the most likely one. Tokens exactly as likely as the last one that stays, stay too.

vLLM (`vllm/v1/sample/sampler.py`) has the same order, except that its min_p comes before top_k and top_p.

The draw goes through the cumulative distribution in the vocabulary's order, so that it depends on the row alone and not
on how the batch was sorted.
"""

import hashlib
from array import array
from dataclasses import dataclass

import torch

from service.engine.sequence import SamplingParams, TokenCounts, TokenLogprobs
from service.engine.truncation import truncate

NO_PROBABILITIES = (
    "The model gave no valid probabilities for the next token: its logits are NaN or infinite. The same request would "
    "most likely meet the same."
)
NOTHING_LEFT = (
    "The request leaves no token that could come next: its penalties, logit_bias, min_tokens and "
    "response_format or tool_choice exclude each other."
)

_NUM_SUMMED = 128
"""How many neighbours in the vocabulary a draw first takes as one."""

_MIN_TEMPERATURE = 1e-6
"""Below it the quotient would overflow."""


class SamplingError(Exception):
    """Why a row has no token, in words for its client."""


class NothingLeftError(SamplingError):
    """The row's own request excludes every token."""

    def __init__(self) -> None:
        super().__init__(NOTHING_LEFT)


@dataclass(frozen=True, slots=True)
class SamplingRow:
    """What decides a row's token besides its logits.

    Attributes:
        params: How it is chosen.
        index: The index that the token will have in its completion.
        token_counts: What penalties are reckoned from; needed where `params` has any.
        allowed: The tokens that can be chosen at all, int32 [words] on the CPU, as llguidance lays it out: bit i of
            word w is token 32 * w + i. Tokens beyond the words are not allowed. None for all.
    """

    params: SamplingParams
    index: int
    token_counts: TokenCounts | None = None
    allowed: torch.Tensor | None = None

    @property
    def is_adjusted(self) -> bool:
        """Whether its logits are changed before anything is chosen."""
        params = self.params
        is_early = self.index < params.min_tokens
        return self.allowed is not None or is_early or bool(params.logit_bias) or params.has_penalties

    @property
    def is_plain(self) -> bool:
        """Whether it takes the most likely token and nothing else is asked for."""
        return self.params.temperature == 0 and not self.is_adjusted


@dataclass(frozen=True, slots=True)
class SampledToken:
    """A row's token, and its log probabilities if its parameters ask for them."""

    token_id: int
    logprobs: TokenLogprobs | None = None


def uniform(seed: int, index: int) -> float:
    """The number in [0, 1) that decides the draw of completion token `index` of a request with this seed.

    A hash instead of a generator: there is no state that preemption, batching or speculation could disturb.
    """
    digest = hashlib.blake2b(seed.to_bytes(8, "little", signed=True) + index.to_bytes(8, "little"), digest_size=8)
    return (int.from_bytes(digest.digest(), "little") >> 11) / (1 << 53)


def sample(logits: torch.Tensor, rows: list[SamplingRow]) -> list[SampledToken | SamplingError]:
    """Chooses a token for each row.

    Args:
        logits: [rows, vocabulary], floating point; left as they are.
        rows: One for each row of `logits`.

    Returns:
        A token for each row, or why it has none.
    """
    best = logits.max(dim=-1)
    tokens: list[int | SamplingError] = best.indices.tolist()
    for place, is_valid in enumerate(best.values.isfinite().tolist()):
        if not is_valid:
            tokens[place] = SamplingError(NO_PROBABILITIES)
    chosen = [place for place, row in enumerate(rows) if not row.is_plain and isinstance(tokens[place], int)]
    if chosen:
        for place, token in _choose(logits[chosen], [rows[place] for place in chosen]).items():
            tokens[chosen[place]] = token
    logprobs = _logprobs(logits, rows, tokens)
    return [SampledToken(t, logprobs.get(place)) if isinstance(t, int) else t for place, t in enumerate(tokens)]


def _choose(logits: torch.Tensor, rows: list[SamplingRow]) -> dict[int, int | SamplingError]:
    """The tokens of rows that do not all take the most likely one, by their place; `logits` may be changed."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    tokens: dict[int, int | SamplingError] = {}
    adjusted = [place for place, row in enumerate(rows) if row.is_adjusted]
    if adjusted:
        _exclude(logits, rows)
        _add_biases(logits, rows)
        _penalize(logits, rows)
        best = logits[adjusted].max(dim=-1)
        is_valid = best.values.isfinite().tolist()
        for place, token_id, has_token in zip(adjusted, best.indices.tolist(), is_valid, strict=True):
            if not has_token:
                tokens[place] = NothingLeftError()
            elif rows[place].params.temperature == 0:
                tokens[place] = token_id
    drawn = [place for place in range(len(rows)) if place not in tokens]
    if drawn:
        rest = logits if len(drawn) == len(rows) else logits[drawn]
        tokens.update(zip(drawn, _draw(rest, [rows[place] for place in drawn]), strict=True))
    return tokens


def _exclude(logits: torch.Tensor, rows: list[SamplingRow]) -> None:
    """Gives tokens that must not be chosen the logit -inf, in place."""
    masked = {place: row.allowed for place, row in enumerate(rows) if row.allowed is not None}
    if masked:
        forbidden = _unpack_forbidden(torch.stack(list(masked.values())).to(logits.device))[:, : logits.shape[-1]]
        kept = logits[list(masked), : forbidden.shape[1]].masked_fill_(forbidden, -torch.inf)
        logits[list(masked)] = -torch.inf
        logits[list(masked), : forbidden.shape[1]] = kept
    early = [
        (place, token_id)
        for place, row in enumerate(rows)
        if row.index < row.params.min_tokens
        for token_id in row.params.eos_token_ids
        if token_id < logits.shape[-1]
    ]
    if early:
        logits[torch.tensor(early, device=logits.device).unbind(dim=1)] = -torch.inf


def _unpack_forbidden(words: torch.Tensor) -> torch.Tensor:
    """Where bitmasks, int32 [rows, words], are 0: bool [rows, 32 * words]."""
    # Through bytes, of which the machines that torch runs on keep the least significant first: a quarter of the memory.
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    bits = (words.view(torch.uint8)[:, :, None] >> shifts).bitwise_and_(1)
    return bits.bitwise_xor_(1).view(torch.bool).flatten(1)


def _add_biases(logits: torch.Tensor, rows: list[SamplingRow]) -> None:
    biases = [(place, *bias) for place, row in enumerate(rows) for bias in row.params.logit_bias]
    if biases:
        places, token_ids, values = zip(*biases, strict=True)
        where = torch.tensor([places, token_ids], device=logits.device).unbind()
        logits[where] += torch.tensor(values, dtype=logits.dtype, device=logits.device)


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
        return of_rows.repeat_interleave(torch.tensor(lengths), dim=0).to(logits.device)

    where = spread(torch.tensor(places)), torch.frombuffer(token_ids, dtype=torch.int64).to(logits.device)
    count = torch.frombuffer(counts, dtype=torch.int64).to(logits.device)
    repetition, frequency, presence = spread(torch.tensor(penalties, dtype=logits.dtype)).unbind(dim=1)
    values = logits[where]
    values = torch.where(values > 0, values / repetition, values * repetition)
    logits[where] = values - count * frequency - (count > 0) * presence


def _draw(logits: torch.Tensor, rows: list[SamplingRow]) -> list[int]:
    params = [row.params for row in rows]
    temperatures = _column([max(p.temperature, _MIN_TEMPERATURE) for p in params], logits)
    probabilities = torch.softmax(logits.div_(temperatures), dim=-1)
    truncate(probabilities, params)
    return _invert(probabilities, [uniform(row.params.seed, row.index) for row in rows])


def _invert(probabilities: torch.Tensor, uniforms: list[float]) -> list[int]:
    """The tokens on which numbers in [0, 1) fall in the rows' cumulative distributions, in the vocabulary's order.

    Looks first among the sums of neighbours: the running sum of a whole vocabulary in float64 takes most of a draw.
    """
    vocabulary = probabilities.shape[-1]
    num_sums, num_left = divmod(vocabulary, _NUM_SUMMED)
    whole = probabilities[:, : vocabulary - num_left].view(len(probabilities), num_sums, _NUM_SUMMED)
    left = probabilities[:, vocabulary - num_left :]
    sums = whole.sum(dim=-1, dtype=torch.float64), left.sum(dim=-1, keepdim=True, dtype=torch.float64)
    cumulative = torch.cat(sums, dim=1).cumsum(dim=1)
    targets = torch.tensor(uniforms, dtype=torch.float64, device=probabilities.device)[:, None] * cumulative[:, -1:]
    found = _first_above(cumulative, targets)
    before = torch.nn.functional.pad(cumulative, (1, 0)).gather(1, found)
    token_ids = found * _NUM_SUMMED + torch.arange(_NUM_SUMMED, device=probabilities.device)
    neighbours = probabilities.gather(1, token_ids.clamp(max=vocabulary - 1)).masked_fill_(token_ids >= vocabulary, 0)
    places = _first_above(neighbours.cumsum(dim=1, dtype=torch.float64), targets - before)
    drawn: list[int] = token_ids.gather(1, places)[:, 0].tolist()
    return drawn


def _first_above(cumulative: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Where each row's running sum first is above its target: never at a summand of 0. int64 [rows, 1]."""
    total = cumulative[:, -1:]
    below_total = torch.minimum(targets, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, below_total, right=True)


def _logprobs(
    logits: torch.Tensor, rows: list[SamplingRow], tokens: list[int | SamplingError]
) -> dict[int, TokenLogprobs]:
    """The log probabilities of the rows that ask for them, by their place."""
    asking = {
        place: (token, min(row.params.num_logprobs, logits.shape[-1]))
        for place, (row, token) in enumerate(zip(rows, tokens, strict=True))
        if row.params.num_logprobs is not None and isinstance(token, int)
    }
    if not asking:
        return {}
    precision = torch.promote_types(logits.dtype, torch.float32)
    logprobs = torch.log_softmax(logits[list(asking)].to(precision), dim=-1)
    token_ids = torch.tensor([[token_id] for token_id, _ in asking.values()], device=logits.device)
    chosen = logprobs.gather(1, token_ids)[:, 0].tolist()
    top = logprobs.topk(max(count for _, count in asking.values()), dim=-1)
    likely = [tuple(zip(*row, strict=True)) for row in zip(top.indices.tolist(), top.values.tolist(), strict=True)]
    return {
        place: TokenLogprobs(chosen[row], likely[row][:count]) for row, (place, (_, count)) in enumerate(asking.items())
    }


def _column(numbers: list[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None]
