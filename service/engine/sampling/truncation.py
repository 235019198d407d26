"""Truncation: the tokens that top_k, top_p and min_p let through.

They are found by a threshold on the probability, so only the most likely few have to be sorted. Tokens exactly as
likely as the last one that stays, stay too. `sampling` tells the definitions.
"""

import torch

from service.engine.device import is_cpu, to_device
from service.engine_protocol.sampling_params import SamplingParams

_NUM_PREFILTERED = 128
"""The number of most likely tokens that are sorted at first."""

_PREFILTER_GROWTH = 16
"""The factor by which more are sorted for a row that needs more."""


def truncate(probabilities: torch.Tensor, params: list[SamplingParams]) -> None:
    """Sets the probabilities of tokens to 0 that can't be sampled, in place.

    Args:
        probabilities: [rows, vocabulary], each row's sum 1.
        params: One for each row; of them only `top_k`, `top_p` and `min_p` count.
    """
    vocabulary = probabilities.shape[-1]
    truncated = [row for row, p in enumerate(params) if 0 < p.top_k < vocabulary or p.top_p < 1]
    has_floor = any(p.min_p > 0 for p in params)
    if not truncated and not has_floor:
        return
    thresholds = torch.zeros_like(probabilities[:, :1])
    if truncated:
        where = to_device(truncated, probabilities.device)
        rows = probabilities if len(truncated) == len(params) else probabilities.index_select(0, where)
        thresholds.index_copy_(0, where, _thresholds(rows, [params[row] for row in truncated]))
    if has_floor:
        shares = to_device([p.min_p for p in params], probabilities.device, probabilities.dtype)[:, None]
        thresholds = torch.maximum(thresholds, shares * probabilities.amax(dim=-1, keepdim=True))
    probabilities.masked_fill_(probabilities < thresholds, 0)


def _thresholds(
    probabilities: torch.Tensor, params: list[SamplingParams], num_sorted: int = _NUM_PREFILTERED
) -> torch.Tensor:
    """The least probability that top_k and top_p let through, [rows, 1], from each row's `num_sorted` most likely."""
    device, vocabulary = probabilities.device, probabilities.shape[-1]
    is_enough = all(0 < p.top_k <= num_sorted for p in params)
    # Whether more must be sorted is found on the device, and only a CPU may be asked: others are never waited for here.
    num_sorted = min(num_sorted, vocabulary) if is_enough or is_cpu(device) else vocabulary
    top_k = to_device([min(p.top_k or vocabulary, vocabulary) for p in params], device)
    top_p = to_device([p.top_p for p in params], device, torch.float64)
    ordered = probabilities.topk(num_sorted, dim=-1).values
    cumulative = ordered.cumsum(dim=-1, dtype=torch.float64)
    last = top_k.clamp(max=num_sorted)[:, None] - 1
    # What top_k leaves sums to less than 1, and is known if it is among those sorted.
    is_known = (top_k <= num_sorted)[:, None]
    totals = cumulative.gather(1, last).where(is_known, 1.0)
    crossing = torch.searchsorted(cumulative, top_p[:, None] * totals)
    thresholds = ordered.gather(1, torch.minimum(crossing, last))
    if is_enough or num_sorted == vocabulary:
        return thresholds
    is_open = ~is_known & ((crossing == num_sorted) | (top_k < vocabulary)[:, None])
    for row in is_open[:, 0].nonzero()[:, 0].tolist():
        thresholds[row] = _thresholds(probabilities[row : row + 1], [params[row]], num_sorted * _PREFILTER_GROWTH)
    return thresholds
