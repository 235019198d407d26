"""From logits to the next tokens, for rows that each have their own parameters.

The order of operations is the field's (transformers, vLLM): temperature, then top_k, then top_p over what is left.
Tokens that top_k and top_p exclude are found by a threshold on the probability, so that only the most likely few are
ever sorted, and the draw goes through the cumulative distribution in the vocabulary's order, so that it depends on the
row alone and not on how the batch was sorted.
"""

import hashlib
from dataclasses import dataclass

import torch

from service.engine.sequence import SamplingParams, TokenCounts, TokenLogprobs

_NUM_PREFILTERED = 128
"""How many of the most likely tokens are looked at before a row's whole vocabulary is sorted."""


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
        logits: [rows, vocabulary], floating point.
        rows: One for each row of `logits`.

    Returns:
        A token for each row, or why it has none.
    """
    masked = [place for place, row in enumerate(rows) if row.allowed is not None]
    if masked:
        logits = logits.clone()
        words = [allowed for row in rows if (allowed := row.allowed) is not None]
        logits[masked] = logits[masked].masked_fill_(~_unpack(words, logits.shape[-1]).to(logits.device), -torch.inf)
    token_ids: list[int] = logits.max(dim=-1).indices.tolist()
    sampled = [place for place, row in enumerate(rows) if row.params.temperature > 0]
    if sampled:
        drawn = _draw(logits[sampled], [rows[place] for place in sampled])
        for place, token_id in zip(sampled, drawn, strict=True):
            token_ids[place] = token_id
    return [SampledToken(token_id) for token_id in token_ids]


def _unpack(words: list[torch.Tensor], vocabulary: int) -> torch.Tensor:
    """Bitmasks of one bit for each token as booleans, [rows, vocabulary]."""
    packed = torch.nn.utils.rnn.pad_sequence(words, batch_first=True)
    bits = (packed[:, :, None] >> torch.arange(32, dtype=torch.int32) & 1).flatten(1).bool()[:, :vocabulary]
    return torch.nn.functional.pad(bits, (0, vocabulary - bits.shape[1]))


def _draw(logits: torch.Tensor, rows: list[SamplingRow]) -> list[int]:
    def column(numbers: list[float]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float64, device=logits.device)[:, None]

    params = [row.params for row in rows]
    precision = torch.promote_types(logits.dtype, torch.float32)
    probabilities = torch.softmax(logits.to(precision) / column([p.temperature for p in params]).to(precision), dim=-1)
    cut = [row for row, row_params in enumerate(params) if row_params.top_k > 0 or row_params.top_p < 1]
    if cut:
        thresholds = _thresholds(probabilities[cut], [params[row] for row in cut])
        probabilities[cut] = probabilities[cut].masked_fill_(probabilities[cut] < thresholds, 0)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    uniforms = column([uniform(row.params.seed, row.index) for row in rows])
    # The first token whose cumulative probability is above the target is never one of probability 0.
    targets = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    drawn: list[int] = torch.searchsorted(cumulative, targets, right=True)[:, 0].tolist()
    return drawn


def _thresholds(probabilities: torch.Tensor, params: list[SamplingParams], num_sorted: int = 0) -> torch.Tensor:
    """The least probability that top_k and top_p let through, [rows, 1], from each row's `num_sorted` most likely."""
    vocabulary = probabilities.shape[-1]
    num_sorted = min(vocabulary, max(num_sorted, _NUM_PREFILTERED, *(p.top_k for p in params)))
    top_k = torch.tensor([p.top_k or num_sorted for p in params], device=probabilities.device).clamp_(max=num_sorted)
    has_whole = torch.tensor([p.top_k > 0 or num_sorted == vocabulary for p in params], device=probabilities.device)
    top_p = torch.tensor([p.top_p for p in params], dtype=torch.float64, device=probabilities.device)
    ordered = probabilities.topk(num_sorted, dim=-1).values
    cumulative = ordered.cumsum(dim=-1, dtype=torch.float64)
    totals = cumulative.gather(1, top_k[:, None] - 1)[:, 0].where(has_whole, 1.0)
    crossing = torch.searchsorted(cumulative, (top_p * totals)[:, None])[:, 0]
    thresholds = ordered.gather(1, torch.minimum(crossing, top_k - 1)[:, None])
    for row in ((crossing == num_sorted) & ~has_whole).nonzero()[:, 0].tolist():
        thresholds[row] = _thresholds(probabilities[row : row + 1], [params[row]], vocabulary)
    return thresholds
