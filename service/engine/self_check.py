"""Whether the engine computes what the model's own class computes; asked once, at load.

The packed forward relies on what a model's class does with the arguments it is given. A class that ignores them, or
adds something of its own, would give wrong tokens without any error, so a checkpoint is compared before it is served.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

from service.engine.errors import UnsupportedModelError
from service.engine.kv_cache import kv_shapes
from service.engine.model_runner import ModelRunner
from service.engine.scheduler import ScheduledSequence
from service.engine.sequence import SamplingParams, Sequence

_TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 0.1}
"""How large norm(ours - theirs) / norm(theirs) of all logits may be.

In bfloat16 the classes' own logits differ from those of float32 by 0.01 to 0.04, and from ours by as much (measured on
random models and the demo model); a window, a cap or a scale that is left out shows as 0.1 to 1. In float64 the classes
still norm in float32.
"""

_LAYER_TYPES = frozenset({"full_attention", "sliding_attention"})
"""What a config may call its layers. Others, such as chunks, may differ only beyond the check's few tokens."""

_NUM_PREFILLED = (20, 5)
"""How many tokens each of two sequences prefills before they decode; the first does it in two chunks."""

_FIRST_CHUNK = 11
_NUM_DECODED = 3
_WINDOW = 7


class SelfCheck:
    """Remembers what a model computes with its own attention, to compare a runner with it.

    Args:
        model: The model, before a runner has replaced its attention.

    Attributes:
        kv_shapes: What each layer keeps in the KV cache.

    Raises:
        UnsupportedModelError: It is known already that the engine would compute something else.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        with self._refusing():
            _check_class(model)
            self._token_ids = _make_token_ids(model.config.get_text_config().vocab_size)
            with torch.inference_mode(), _short_windows(model):
                output = model(input_ids=torch.tensor(self._token_ids, device=model.device), use_cache=True)
            self._expected = output.logits.float()
            self.kv_shapes = kv_shapes(getattr(output, "past_key_values", None))

    def compare(self, runner: ModelRunner) -> None:
        """Prefills and decodes two sequences and compares their logits; uses the KV cache's first three blocks.

        Raises:
            UnsupportedModelError: They differ by more than rounding explains.
        """
        sequences = [
            Sequence(f"self-check {row}", self._token_ids[row][:count], count, SamplingParams(1))
            for row, count in enumerate(_NUM_PREFILLED)
        ]
        long, short = sequences
        long.block_table, short.block_table = [0, 1], [2]
        steps = [[(long, _FIRST_CHUNK)], [(long, long.num_tokens - _FIRST_CHUNK), (short, short.num_tokens)]]
        steps += [[(short, 1), (long, 1)]] * _NUM_DECODED
        with self._refusing(), _short_windows(self._model):
            pairs = [pair for step in steps for pair in self._step(runner, sequences, step)]
            ours, theirs = (torch.stack(logits) for logits in zip(*pairs, strict=True))
            self._compare(ours, theirs)

    def _step(
        self, runner: ModelRunner, sequences: list[Sequence], step: list[tuple[Sequence, int]]
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Our logits and theirs for each sequence that has computed all its tokens; gives it the next one."""
        packed = [ScheduledSequence(*item) for item in step]
        drawing = [item.sequence for item in packed if item.is_last_chunk]
        ours = runner.logits(packed).float()
        for sequence, num_tokens in step:
            sequence.num_computed_tokens += num_tokens
        rows = [sequences.index(sequence) for sequence in drawing]
        theirs = [self._expected[row, len(sequences[row].token_ids) - 1] for row in rows]
        for row in rows:
            sequences[row].token_ids = self._token_ids[row][: sequences[row].num_tokens + 1]
        return list(zip(ours, theirs, strict=True))

    def _compare(self, ours: torch.Tensor, theirs: torch.Tensor) -> None:
        error, tolerance = float((ours - theirs).norm() / theirs.norm()), _TOLERANCES.get(self._model.dtype, 1e-3)
        if not error <= tolerance:
            raise UnsupportedModelError(
                f"its logits differ from those of its class in transformers by {error:.1e}, more than {tolerance:.0e}"
            )

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Puts the model's type before the reason."""
        try:
            yield
        except UnsupportedModelError as error:
            raise UnsupportedModelError(
                f"a model of type {self._model.config.model_type} can't be served: {error}"
            ) from None


def _check_class(model: PreTrainedModel) -> None:
    """Refuses what would end in an obscure error, or might be wrong only after more tokens than the check has."""
    if not model._supports_attention_backend:
        raise UnsupportedModelError("its class in transformers does not let its attention be replaced")
    config = model.config.get_text_config()
    ropes = {rope for rope in _rope_types(getattr(config, "rope_parameters", None)) if _depends_on_the_batch(rope)}
    if ropes:
        raise UnsupportedModelError(f"its rotary embeddings, of type {', '.join(sorted(ropes))}, depend on the batch")
    layers = set(getattr(config, "layer_types", None) or []) - _LAYER_TYPES
    if layers:
        raise UnsupportedModelError(f"its layers of type {', '.join(sorted(layers))} are not known here")


def _rope_types(parameters: object) -> set[str]:
    """The rope types in a config's parameters, which may be nested by kind of layer."""
    if not isinstance(parameters, dict):
        return set()
    nested = [_rope_types(value) for value in parameters.values()]
    return {str(parameters.get("rope_type", "default"))}.union(*nested)


def _depends_on_the_batch(rope_type: str) -> bool:
    """Whether frequencies follow the longest sequence of the batch and change its neighbours' tokens."""
    return "dynamic" in rope_type or rope_type == "longrope"


def _make_token_ids(vocab_size: int) -> list[list[int]]:
    """As many different tokens as the longer sequence comes to have, for each of the two."""
    count = max(_NUM_PREFILLED) + _NUM_DECODED
    return [[(step * 7919 + 11 + row * 5) % vocab_size for step in range(count)] for row in range(len(_NUM_PREFILLED))]


@contextmanager
def _short_windows(model: PreTrainedModel) -> Iterator[None]:
    """Makes sliding windows so short that the check's few tokens leave them.

    Of its own accord a class makes its mask from the config's window, but must hand it to our attention for each layer.
    """
    holders: list[Any] = [model.config.get_text_config(), *model.modules()]
    kept = [(holder, holder.sliding_window) for holder in holders if isinstance(_window(holder), int)]
    for holder, window in kept:
        holder.sliding_window = min(window, _WINDOW)
    try:
        yield
    finally:
        for holder, window in kept:
            holder.sliding_window = window


def _window(holder: Any) -> object:
    return getattr(holder, "sliding_window", None)
