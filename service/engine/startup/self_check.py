"""Compares the engine with the model's own class, once, at load.

The packed forward relies on what a model's class does with the arguments it is given. A class that ignores them, or
adds something of its own, would give wrong tokens without any error, so a checkpoint is compared before it is served.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any, NewType

import torch
from transformers import PreTrainedModel

from service.engine.errors import UnsupportedModelError
from service.engine.forward.kv_cache import kv_shapes
from service.engine.forward.long_rope import LONG_ROPE, rope_switch_of
from service.engine.forward.model_runner import ModelRunner
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import LONG_POSITIONS, Sequence
from service.engine.tolerances import relative_error
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.sampling_params import SamplingParams

CheckedRunner = NewType("CheckedRunner", ModelRunner)
"""A runner that computes what the model's class computes."""

_TOLERANCE = 4
"""The tolerance, in multiples of how far the class's logits move when its embeddings are rounded otherwise.

Measured: 0.5 to 1.8 times, in every precision, for 2 random layers of each family, 32 of Llama, and the demo model.
What is left out, such as a window, a cap or a norm, shows as 0.1 to 1.6 of the logits' norm.
"""

_LEAST_TOLERANCE, _MOST_TOLERANCE = 1e-4, 0.5
"""As relative errors: sums may add in any order; half of the norm is no rounding."""

_LAYER_TYPES = frozenset({"full_attention", "sliding_attention"})
"""The types of layers that a config may name. Others, such as chunks, may differ only beyond the check's few tokens."""

_NUM_PREFILLED = (20, 5)
"""The tokens that each of two sequences prefills before they decode; the first does it in two chunks."""

_LONG = 0
"""Which of the two is computed by a model's long factors, if it has such."""

_FIRST_CHUNK = 11
_NUM_DECODED = 3
_WINDOW = 7


class SelfCheck:
    """Remembers what a model computes with its own attention, to compare a runner with it.

    Args:
        model: The model, before a runner has replaced its attention.

    Attributes:
        kv_shapes: What each layer keeps in the KV cache.
        tolerance: The relative error of logits up to which rounding explains it.

    Raises:
        UnsupportedModelError: It is known already that the engine would compute something else.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        with self._refusing():
            _check_class(model)
            self._token_ids = _make_token_ids(model.config.get_text_config().vocab_size)
            # The definition; transformers 5.17 also runs Gemma 2 through SDPA, which leaves its cap out.
            model.set_attn_implementation("eager")
            input_ids = torch.tensor(self._token_ids, device=model.device)
            with torch.inference_mode(), _short_windows(model):
                output = model(input_ids=input_ids, use_cache=True)
                with _rounded_otherwise(model):
                    moved = model(input_ids=input_ids, use_cache=False).logits
            self._expected = output.logits.float()
            if rope_switch_of(model):
                with torch.inference_mode(), _short_windows(model), _long_factors(model):
                    self._expected[_LONG] = model(input_ids=input_ids, use_cache=False).logits[_LONG]
            noise = relative_error(moved, self._expected)
            self.tolerance = min(max(_TOLERANCE * noise, _LEAST_TOLERANCE), _MOST_TOLERANCE)
            self.kv_shapes = kv_shapes(getattr(output, "past_key_values", None))

    def compare(self, runner: ModelRunner) -> CheckedRunner:
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
        long.position_offset = LONG_POSITIONS if runner.rope_switch else 0
        steps = [[(long, _FIRST_CHUNK)], [(long, long.num_tokens - _FIRST_CHUNK), (short, short.num_tokens)]]
        steps += [[(short, 1), (long, 1)]] * _NUM_DECODED
        with self._refusing(), _short_windows(self._model):
            pairs = [pair for step in steps for pair in self._step(runner, sequences, step)]
            ours, theirs = (torch.stack(logits) for logits in zip(*pairs, strict=True))
            error = relative_error(ours, theirs)
            if not error <= self.tolerance:
                raise UnsupportedModelError(
                    f"its logits differ from those of its class in transformers by {error:.1e}, "
                    f"more than {self.tolerance:.1e}{_blaming(runner.accelerations)}"
                )
        return CheckedRunner(runner)

    def _step(
        self, runner: ModelRunner, sequences: list[Sequence], step: list[tuple[Sequence, int]]
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Our logits and theirs for each sequence that has computed all its tokens; gives it the next one."""
        packed = [ScheduledSequence(*item) for item in step]
        sampling = [item.sequence for item in packed if item.is_last_chunk]
        ours = runner.logits(packed).float()
        for sequence, num_tokens in step:
            sequence.num_computed_tokens += num_tokens
        rows = [sequences.index(sequence) for sequence in sampling]
        theirs = [self._expected[row, len(sequences[row].token_ids) - 1] for row in rows]
        for row in rows:
            sequences[row].token_ids = self._token_ids[row][: sequences[row].num_tokens + 1]
        return list(zip(ours, theirs, strict=True))

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Puts the model's type before the reason."""
        try:
            yield
        except UnsupportedModelError as error:
            raise UnsupportedModelError(
                f"a model of type {self._model.config.model_type} can't be served: {error}"
            ) from None


def _blaming(accelerations: Set[Acceleration]) -> str:
    """Names what a user can try without, if anything."""
    names = ",".join(sorted(accelerations))
    return f", with --accelerate {names}: it may be served without" if names else ""


def _check_class(model: PreTrainedModel) -> None:
    """Refuses what would end in an obscure error, or might be wrong only after more tokens than the check has."""
    if not model.is_backend_compatible():  # type: ignore[no-untyped-call]
        raise UnsupportedModelError("its class in transformers does not let its attention be replaced")
    config = model.config.get_text_config()
    ropes = {rope for rope in _rope_types(getattr(config, "rope_parameters", None)) if _depends_on_the_batch(rope)}
    if ropes - ({LONG_ROPE} if rope_switch_of(model) else set()):
        raise UnsupportedModelError(
            f"its rotary embeddings, of type {', '.join(sorted(ropes))}, depend on the batch. Where rope_type is set "
            'to "default" in its config.json it can be served, for sequences within max_position_embeddings'
        )
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
    """Tells if frequencies follow the longest sequence of the batch and change its neighbours' tokens."""
    return "dynamic" in rope_type or rope_type == LONG_ROPE


def _make_token_ids(vocab_size: int) -> list[list[int]]:
    """As many different tokens as the longer sequence comes to have, for each of the two."""
    count = max(_NUM_PREFILLED) + _NUM_DECODED
    return [[(step * 7919 + 11 + row * 5) % vocab_size for step in range(count)] for row in range(len(_NUM_PREFILLED))]


@contextmanager
def _rounded_otherwise(model: PreTrainedModel) -> Iterator[None]:
    """Moves two of three numbers of the embeddings by one step of the precision."""
    # In float64 the classes still norm in float32.
    step = max(torch.finfo(model.dtype).eps, torch.finfo(torch.float32).eps)

    def move(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        direction = torch.arange(output.numel(), device=output.device).view(output.shape) % 3 - 1
        return output * (1 + step * direction.to(output.dtype))

    handle = model.get_input_embeddings().register_forward_hook(move)
    try:
        yield
    finally:
        handle.remove()


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


@contextmanager
def _long_factors(model: PreTrainedModel) -> Iterator[None]:
    """Makes the length so short from which a class takes its long factors that the check's few tokens have it."""
    config, name = model.config.get_text_config(), "original_max_position_embeddings"
    places: list[dict[str, Any]] = [config.rope_parameters]
    if hasattr(config, name):
        places.append(vars(config))  # from which transformers sets the other
    kept = [place[name] for place in places]
    for place in places:
        place[name] = _WINDOW
    try:
        yield
    finally:
        for place, length in zip(places, kept, strict=True):
            place[name] = length


def _window(holder: Any) -> object:
    return getattr(holder, "sliding_window", None)
