"""Whether the engine computes what the model's own class computes; asked once, at load.

The packed forward relies on what a model's class does with the arguments it is given. A class that ignores them, or
adds something of its own, would give wrong tokens without any error, so a checkpoint is compared before it is served.
"""

import torch
from transformers import PreTrainedModel

from service.engine.block_pool import BLOCK_SIZE, num_blocks_for
from service.engine.model_runner import ModelRunner
from service.engine.scheduler import ScheduledSequence
from service.engine.sequence import SamplingParams, Sequence

_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How large norm(ours - theirs) / norm(theirs) of the logits may be."""

_BATCH_DEPENDENT_ROPE = frozenset({"dynamic", "longrope"})
"""Rotary embeddings whose frequencies follow the longest sequence of the batch and change its neighbours' tokens."""

_NUM_PREFILLED = 2 * BLOCK_SIZE + 1
_NUM_DECODED = 3


class UnsupportedModelError(ValueError):
    """The engine would not compute what the model's class computes, and why."""


class SelfCheck:
    """Remembers what a model computes with its own attention, to compare a runner with it.

    Args:
        model: The model, before a runner has replaced its attention.

    Raises:
        UnsupportedModelError: Its rotary embedding depends on the batch.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        found = _rope_types(getattr(model.config, "rope_parameters", None)) & _BATCH_DEPENDENT_ROPE
        if found:
            raise UnsupportedModelError(f"rotary embeddings of type {', '.join(sorted(found))} depend on the batch")
        self._model_type = model.config.model_type
        self._tolerance = _TOLERANCES.get(model.dtype, 1e-3)
        steps = torch.arange(_NUM_PREFILLED + _NUM_DECODED)
        self._token_ids = ((steps * 7919 + 11) % model.config.vocab_size).tolist()
        ids = torch.tensor([self._token_ids], device=model.device)
        with torch.inference_mode():
            self._logits = model(input_ids=ids, use_cache=False).logits[0].float()

    def compare(self, runner: ModelRunner) -> None:
        """Prefills in two chunks and decodes, and compares the logits; uses the KV cache's first blocks.

        Raises:
            UnsupportedModelError: They differ by more than rounding explains.
        """
        sequence = Sequence("self-check", self._token_ids[:_NUM_PREFILLED], _NUM_PREFILLED, SamplingParams(1))
        sequence.block_table = list(range(num_blocks_for(len(self._token_ids))))
        for num_tokens in [BLOCK_SIZE + 3, _NUM_PREFILLED - BLOCK_SIZE - 3, *[1] * _NUM_DECODED]:
            logits = runner.logits([ScheduledSequence(sequence, num_tokens)])
            sequence.num_computed_tokens += num_tokens
            if sequence.num_uncomputed_tokens == 0:
                self._compare(logits[0].float(), sequence.num_tokens)
                sequence.token_ids = self._token_ids[: sequence.num_tokens + 1]

    def _compare(self, logits: torch.Tensor, num_tokens: int) -> None:
        expected = self._logits[num_tokens - 1]
        error = float((logits - expected).norm() / expected.norm())
        if not error <= self._tolerance:
            raise UnsupportedModelError(
                f"models of type {self._model_type} compute something else here than in transformers: "
                f"after {num_tokens} tokens the logits differ by {error:.1e}, more than {self._tolerance:.0e}"
            )


def _rope_types(parameters: object) -> set[str]:
    """The rope types in a config's parameters, which may be nested by kind of layer."""
    if not isinstance(parameters, dict):
        return set()
    nested = [_rope_types(value) for value in parameters.values()]
    return {str(parameters.get("rope_type", "default"))}.union(*nested)
