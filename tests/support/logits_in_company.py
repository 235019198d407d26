"""Logits of sequences that are computed together."""

import torch
from transformers import PreTrainedModel

from service.engine.forward.kv_cache import KVShape
from service.engine.forward.model_runner import ModelRunner
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.sampling_params import SamplingParams

TOKEN_IDS = [(step * 37 + 5) % 320 for step in range(48)]
NUM_BLOCKS = 8


def shapes(model: PreTrainedModel) -> list[KVShape]:
    config = model.config
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return [KVShape(config.num_key_value_heads, head_size)] * config.num_hidden_layers


def logits_in_company(runner: ModelRunner, num_tokens: int) -> torch.Tensor:
    """The logits after the first `num_tokens` tokens and after each of the rest, beside a sequence of 3 tokens."""
    sequence = Sequence("it", TOKEN_IDS[:num_tokens], num_tokens, SamplingParams(1), block_table=[4, 0, 2])
    other = Sequence("other", [7, 8, 9], 3, SamplingParams(1), block_table=[1])
    rows = []
    for size in [num_tokens - 9, 9, *[1] * (len(TOKEN_IDS) - num_tokens)]:
        other.num_computed_tokens = 0
        items = [ScheduledSequence(sequence, size), ScheduledSequence(other, 3)]
        is_drawing = items[0].is_last_chunk
        logits = runner.logits(items)
        sequence.num_computed_tokens += size
        if is_drawing:
            rows.append(logits[0])
            sequence.token_ids = TOKEN_IDS[: sequence.num_tokens + 1]
    return torch.stack(rows)
