"""From logits to the next tokens, for rows that each have their own parameters.

The order of operations is the field's (transformers, vLLM): temperature, then top_k, then top_p over what is left.
Tokens that top_k and top_p exclude are found by a threshold on the probability, so that only the most likely few are
ever sorted, and the draw goes through the cumulative distribution in the vocabulary's order, so that it depends on the
row alone and not on how the batch was sorted.
"""

import hashlib

import torch

from service.engine.sequence import SamplingParams

_NUM_PREFILTERED = 128
"""How many of the most likely tokens are looked at before a row's whole vocabulary is sorted."""


def uniform(seed: int, index: int) -> float:
    """The number in [0, 1) that decides the draw of completion token `index` of a request with this seed.

    A hash instead of a generator: there is no state that preemption, batching or speculation could disturb.
    """
    digest = hashlib.blake2b(seed.to_bytes(8, "little", signed=True) + index.to_bytes(8, "little"), digest_size=8)
    return (int.from_bytes(digest.digest(), "little") >> 11) / (1 << 53)


def sample(logits: torch.Tensor, params: list[SamplingParams], indices: list[int]) -> list[int]:
    """Chooses a token for each row.

    Args:
        logits: [rows, vocabulary], floating point.
        params: One for each row.
        indices: The index that each row's token will have in its completion.

    Returns:
        A token id for each row.
    """
    token_ids: list[int] = logits.max(dim=-1).indices.tolist()
    sampled = [row for row, row_params in enumerate(params) if row_params.temperature > 0]
    if sampled:
        rows = logits if len(sampled) == len(params) else logits[sampled]
        drawn = _draw(rows, [params[row] for row in sampled], [indices[row] for row in sampled])
        for row, token_id in zip(sampled, drawn, strict=True):
            token_ids[row] = token_id
    return token_ids


def _draw(logits: torch.Tensor, params: list[SamplingParams], indices: list[int]) -> list[int]:
    def column(numbers: list[float]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float64, device=logits.device)[:, None]

    precision = torch.promote_types(logits.dtype, torch.float32)
    probabilities = torch.softmax(logits.to(precision) / column([p.temperature for p in params]).to(precision), dim=-1)
    cut = [row for row, row_params in enumerate(params) if row_params.top_k > 0 or row_params.top_p < 1]
    if cut:
        thresholds = _thresholds(probabilities[cut], [params[row] for row in cut])
        probabilities[cut] = probabilities[cut].masked_fill_(probabilities[cut] < thresholds, 0)
    cumulative = probabilities.cumsum(dim=-1, dtype=torch.float64)
    total = cumulative[:, -1:]
    uniforms = column([uniform(p.seed, index) for p, index in zip(params, indices, strict=True)])
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
