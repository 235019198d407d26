"""Sampling as its definitions read, one row at a time and token by token: what the engine's is compared with."""

import math

from service.engine.sampling.sampling import uniform
from service.engine_protocol.sampling_params import SamplingParams


def adjusted(
    logits: list[float],
    params: SamplingParams,
    prompt: list[int],
    completion: list[int],
    allowed: set[int] | None = None,
) -> list[float]:
    """The logits after masks, bias and penalties."""
    scores = list(logits)
    for token_id in range(len(scores)):
        ends = token_id in params.eos_token_ids or token_id in params.stop_token_ids
        is_early_end = ends and len(completion) < params.min_tokens
        is_bad = any(
            [*completion, token_id][-len(word) :] == list(word) and len(word) <= len(completion) + 1
            for word in params.bad_words
        )
        is_kept = not params.allowed_token_ids or token_id in params.allowed_token_ids
        if is_early_end or is_bad or not is_kept or (allowed is not None and token_id not in allowed):
            scores[token_id] = -math.inf
        scores[token_id] += dict(params.logit_bias).get(token_id, 0)
        if token_id in prompt or token_id in completion:
            is_positive = scores[token_id] > 0
            scores[token_id] *= 1 / params.repetition_penalty if is_positive else params.repetition_penalty
        scores[token_id] -= completion.count(token_id) * params.frequency_penalty
        scores[token_id] -= (token_id in completion) * params.presence_penalty
    return scores


def probabilities(scores: list[float], params: SamplingParams) -> list[float]:
    """What each token's probability is, not normalized after the last truncation."""
    best = max(scores)
    if params.temperature == 0:
        return [float(token_id == scores.index(best)) for token_id in range(len(scores))]
    weights = [math.exp((score - best) / params.temperature) for score in scores]
    likely = [weight / sum(weights) for weight in weights]
    if params.top_k:
        least = sorted(likely, reverse=True)[: params.top_k][-1]
        likely = [p if p >= least else 0.0 for p in likely]
    left = sum(likely)
    kept = 0.0
    for least in sorted(likely, reverse=True):
        kept += least
        if params.top_p < 1 and kept >= params.top_p * left:
            likely = [p if p >= least else 0.0 for p in likely]
            break
    return [p if p >= params.min_p * max(likely) else 0.0 for p in likely]


def sample(likely: list[float], seed: int, index: int) -> int:
    """The token that the uniform number of (seed, index) falls on, in the vocabulary's order."""
    rest = uniform(seed, index) * sum(likely)
    for token_id, p in enumerate(likely):
        rest -= p
        if rest < 0:
            return token_id
    raise AssertionError("the probabilities do not reach their sum")
