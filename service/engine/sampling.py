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

Tokens that step 5 excludes are found by a threshold on the probability, so that only the most likely few are ever
sorted, and the draw goes through the cumulative distribution in the vocabulary's order, so that it depends on the row
alone and not on how the batch was sorted.
"""

import hashlib
from array import array
from dataclasses import dataclass

import torch

from service.engine.sequence import SamplingParams, TokenCounts, TokenLogprobs

NO_PROBABILITIES = (
    "The model gave no valid probabilities for the next token: its logits are NaN or infinite. The same request would "
    "most likely meet the same."
)
NOTHING_LEFT = (
    "The request leaves no token that could come next: its penalties, logit_bias, min_tokens and response_format "
    "exclude each other."
)

_NUM_PREFILTERED = 128
"""How many of the most likely tokens are looked at before a row's whole vocabulary is sorted."""

_MIN_TEMPERATURE = 1e-6
"""Below it the quotient would overflow."""


class SamplingError(Exception):
    """Why a row has no token, in words for its client."""


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
                tokens[place] = SamplingError(NOTHING_LEFT)
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
        allowed = _unpack(torch.stack(list(masked.values())).to(logits.device), logits.shape[-1])
        logits[list(masked)] = logits[list(masked)].masked_fill_(~allowed, -torch.inf)
    early = [
        (place, token_id)
        for place, row in enumerate(rows)
        if row.index < row.params.min_tokens
        for token_id in row.params.eos_token_ids
        if token_id < logits.shape[-1]
    ]
    if early:
        logits[torch.tensor(early, device=logits.device).unbind(dim=1)] = -torch.inf


def _unpack(words: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Bitmasks, int32 [rows, words], as booleans [rows, vocabulary]."""
    # Through bytes, of which the machines that torch runs on keep the least significant first: a quarter of the memory.
    shifts = torch.arange(8, dtype=torch.uint8, device=words.device)
    bits = (words.view(torch.uint8)[:, :, None] >> shifts).bitwise_and_(1).view(torch.bool).flatten(1)
    allowed = torch.zeros(len(words), vocabulary, dtype=torch.bool, device=words.device)
    allowed[:, : bits.shape[1]] = bits[:, :vocabulary]
    return allowed


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
    probabilities = torch.softmax(logits / temperatures, dim=-1)
    _truncate(probabilities, params)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    uniforms = _column([uniform(row.params.seed, row.index) for row in rows], cumulative)
    # The first token whose cumulative probability is above the target is never one of probability 0.
    targets = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    drawn: list[int] = torch.searchsorted(cumulative, targets, right=True)[:, 0].tolist()
    return drawn


def _truncate(probabilities: torch.Tensor, params: list[SamplingParams]) -> None:
    """Lets top_k, top_p and min_p set probabilities to 0, in place."""
    vocabulary = probabilities.shape[-1]
    cut = [row for row, p in enumerate(params) if 0 < p.top_k < vocabulary or p.top_p < 1]
    has_floor = any(p.min_p > 0 for p in params)
    if not cut and not has_floor:
        return
    thresholds = torch.zeros_like(probabilities[:, :1])
    if cut:
        thresholds[cut] = _thresholds(probabilities[cut], [params[row] for row in cut])
    if has_floor:
        floors = _column([p.min_p for p in params], probabilities) * probabilities.amax(dim=-1, keepdim=True)
        thresholds = torch.maximum(thresholds, floors)
    probabilities.masked_fill_(probabilities < thresholds, 0)


def _thresholds(
    probabilities: torch.Tensor, params: list[SamplingParams], num_sorted: int = _NUM_PREFILTERED
) -> torch.Tensor:
    """The least probability that top_k and top_p let through, [rows, 1], from each row's `num_sorted` most likely."""
    device, vocabulary = probabilities.device, probabilities.shape[-1]
    num_sorted = min(num_sorted, vocabulary)
    top_k = torch.tensor([min(p.top_k or vocabulary, vocabulary) for p in params], device=device)
    top_p = torch.tensor([p.top_p for p in params], dtype=torch.float64, device=device)
    ordered = probabilities.topk(num_sorted, dim=-1).values
    cumulative = ordered.cumsum(dim=-1, dtype=torch.float64)
    last = top_k.clamp(max=num_sorted)[:, None] - 1
    # What top_k leaves sums to less than 1, and is known if it is among those sorted.
    is_known = (top_k <= num_sorted)[:, None]
    totals = cumulative.gather(1, last).where(is_known, 1.0)
    crossing = torch.searchsorted(cumulative, top_p[:, None] * totals)
    thresholds = ordered.gather(1, torch.minimum(crossing, last))
    is_open = ~is_known & ((crossing == num_sorted) | (top_k < vocabulary)[:, None])
    for row in is_open[:, 0].nonzero()[:, 0].tolist():
        thresholds[row] = _thresholds(probabilities[row : row + 1], [params[row]], vocabulary)
    return thresholds


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
