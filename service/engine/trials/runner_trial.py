"""Tries ways to run a model as a whole: the logits of ragged batches beside the plain way, then how long steps take.

It has the first layers of the real weights only, which are loaded anew for each way: an engine takes them over.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from transformers import PreTrainedModel

from service.engine.engine import Engine
from service.engine.forward.packing import packing_key
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine.startup.build import Backend, StartedRunner, make_engine, start_runner
from service.engine.tolerances import relative_error
from service.engine.trials.accelerations import NUM_LAYERS
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig, num_blocks_for
from service.engine_protocol.sampling_params import SamplingParams

_NUM_SEQUENCES = (1, 7, 32)
"""Of the batches whose logits are compared."""

_NUM_DECODED = 3
_LONGEST = 90
_TIMED_STEPS, _UNTIMED_STEPS = 8, 3
_SHORT = 64
"""The shortest prompts of a step that only prefills have at most so many tokens."""

_MARGIN = 64
"""The most tokens that a sequence gets, while others still prefill and while steps are timed."""


class WrongLogitsError(Exception):
    """Logits differ from the plain way's by more than rounding explains; the message says by how much."""


def load_first_layers(config: EngineConfig) -> PreTrainedModel:
    """The first layers of a config's model, with its embeddings and its head."""
    return load_model(
        config.checkpoint,
        config.device,
        config.dtype,
        config.quantization,
        accelerations=config.accelerations,
        num_layers=NUM_LAYERS,
    )


@dataclass(slots=True)
class RunnerTrial:
    """Tries one set of accelerations after the other.

    Attributes:
        config: The engine's; LoRA adapters are left out.
        rows: Numbers of sequences that decode together, ascending.
        prefilled_tokens: Numbers of tokens that prefill together, ascending.
        backend: The parts that work with the device.
        load: Loads the model that is tried.
        clock: Tells the time, in seconds.
        graphs_bytes: As `Tried`'s, of the way that was tried last.
    """

    config: EngineConfig
    rows: tuple[int, ...]
    prefilled_tokens: tuple[int, ...] = ()
    backend: Backend = field(default_factory=Backend)
    load: Callable[[EngineConfig], PreTrainedModel] = load_first_layers
    clock: Callable[[], float] = time.perf_counter
    graphs_bytes: tuple[int, int] = field(default=(0, 0), init=False)
    _expected: list[torch.Tensor] = field(default_factory=list, init=False)

    def times_us(self, accelerations: frozenset[Acceleration]) -> dict[int, float]:
        """The time of a step in microseconds, by its number of rows.

        Raises:
            WrongLogitsError: It computes something else than the plain way.
            UnsupportedModelError, AccelerationError: It does not work with this model, or on this device.
            RuntimeError: It fails.
        """
        started = self._compared(accelerations)
        self.graphs_bytes = started.runner.graphs_bytes
        engine = make_engine(started, self._config(accelerations))
        return {num_rows: self._time(engine, num_rows) for num_rows in self._possible_rows()}

    def prefill_times_us(self, accelerations: frozenset[Acceleration]) -> dict[int, float]:
        """The time of a step that only prefills in microseconds, by its number of tokens; raises as `times_us` does."""
        started = self._compared(accelerations)
        return {count: self._time_prefill(started, count) for count in self._possible_tokens()}

    def _compared(self, accelerations: frozenset[Acceleration]) -> StartedRunner:
        """A runner whose logits are those of the plain way."""
        if not self._expected:
            self._expected = list(self._all_logits(self._start(frozenset())))
        started = self._start(accelerations)
        for ours, expected in zip(self._all_logits(started), self._expected, strict=True):
            error = relative_error(ours, expected)
            if not error <= started.tolerance:
                raise WrongLogitsError(f"logits differ by {error:.1e}, more than {started.tolerance:.1e}")
        return started

    def _all_logits(self, started: StartedRunner) -> Iterator[torch.Tensor]:
        """Logits of short prompts in all kinds of steps, and of the steps whose prefilling is timed."""
        yield from _logits_of_short_prompts(started)
        for count in self._possible_tokens():
            yield started.runner.logits(_prefilling(started, count)).float().cpu()

    def _time_prefill(self, started: StartedRunner, num_tokens: int) -> float:
        """The mean time of a step that prefills, in microseconds."""
        step = _prefilling(started, num_tokens)
        for _ in range(_UNTIMED_STEPS):
            started.runner.launch(step).tokens()
        start_s = self.clock()
        for _ in range(_TIMED_STEPS):
            started.runner.launch(step).tokens()
        return 1e6 * (self.clock() - start_s) / _TIMED_STEPS

    def _config(self, accelerations: frozenset[Acceleration]) -> EngineConfig:
        return replace(self.config, accelerations=accelerations, adapters=(), context_window=0)

    def _start(self, accelerations: frozenset[Acceleration]) -> StartedRunner:
        config = self._config(accelerations)
        most = max(*_NUM_SEQUENCES, *self._possible_rows())
        num_blocks = most * num_blocks_for(_LONGEST + _MARGIN)
        return start_runner(self.load(config), config, num_blocks, self.backend)

    def _possible_rows(self) -> tuple[int, ...]:
        return tuple(num_rows for num_rows in self.rows if num_rows <= self.config.max_num_seqs)

    def _possible_tokens(self) -> list[int]:
        return sorted({min(count, self.config.max_num_batched_tokens) for count in self.prefilled_tokens})

    def _time(self, engine: Engine, num_rows: int) -> float:
        """The mean time of a decoding step, in microseconds."""
        for row in range(num_rows):
            engine.submit(f"{num_rows} {row}", _token_ids(row, engine.info.vocab_size), SamplingParams(_MARGIN))
        num_decoding = 0
        while num_decoding < num_rows:
            result = engine.step()
            num_decoding = len(result.outputs)
            if result.failed:
                raise RuntimeError(result.failed[0].message)
        for _ in range(_UNTIMED_STEPS):
            engine.step()
        start_s = self.clock()
        for _ in range(_TIMED_STEPS):
            engine.step()
        step_s = (self.clock() - start_s) / _TIMED_STEPS
        for row in range(num_rows):
            engine.abort(f"{num_rows} {row}")
        while engine.has_work:
            engine.step()
        return 1e6 * step_s


def _logits_of_short_prompts(started: StartedRunner) -> Iterator[torch.Tensor]:
    """Logits of prompts in two chunks, of batches that prefill and decode at once, and of those that only decode."""
    for count in _NUM_SEQUENCES:
        sequences = [_sequence(row, started.info.vocab_size) for row in range(count)]
        for row, sequence in enumerate(sequences):
            num_blocks = num_blocks_for(_LONGEST + _NUM_DECODED)
            sequence.block_table = list(range(row * num_blocks, (row + 1) * num_blocks))
        late = sequences[1::2]
        yield from _step(started, [(it, it.num_tokens // 2) for it in sequences])
        yield from _step(started, [(it, _left(it)) for it in sequences if it not in late])
        yield from _step(started, [(it, _left(it) or 1) for it in sequences])
        for _ in range(_NUM_DECODED):
            yield from _step(started, [(it, 1) for it in sequences])


def _step(started: StartedRunner, step: list[tuple[Sequence, int]]) -> Iterator[torch.Tensor]:
    """The logits of the sequences that have computed all their tokens; each then gets another token."""
    packed = sorted((ScheduledSequence(*item) for item in step if item[1]), key=packing_key)
    complete = [item.sequence for item in packed if item.is_last_chunk]
    logits = started.runner.logits(packed)
    for item in packed:
        item.sequence.num_computed_tokens += item.num_tokens
    for sequence in complete:
        sequence.token_ids.append((7 * sequence.num_tokens + 3) % started.info.vocab_size)
    if complete:
        yield logits.float().cpu()


def _prefilling(started: StartedRunner, num_tokens: int) -> list[ScheduledSequence]:
    """A step that prefills so many tokens: the second half of a prompt, whose first is done, and other prompts."""
    step: list[ScheduledSequence] = []
    num_blocks = 0
    for row, length in enumerate(_ragged(num_tokens, started.runner.max_num_tokens // 2)):
        num_before = 0 if step else length
        token_ids = _token_ids(row, started.info.vocab_size, num_before + length)
        sequence = Sequence(f"prompt {row}", token_ids, len(token_ids), SamplingParams(_MARGIN))
        sequence.block_table = list(range(num_blocks, num_blocks + num_blocks_for(len(token_ids))))
        num_blocks += len(sequence.block_table)
        if num_before:
            started.runner.logits([ScheduledSequence(sequence, num_before)])
            sequence.num_computed_tokens = num_before
        step.append(ScheduledSequence(sequence, length))
    return sorted(step, key=packing_key)


def _ragged(num_tokens: int, longest: int) -> Iterator[int]:
    """Lengths that add up to a number of tokens, each half of what is left."""
    while num_tokens:
        length = min(longest, max(num_tokens // 2, min(num_tokens, _SHORT)))
        yield length
        num_tokens -= length


def _left(sequence: Sequence) -> int:
    return sequence.num_tokens - sequence.num_computed_tokens


def _sequence(row: int, vocab_size: int) -> Sequence:
    token_ids = _token_ids(row, vocab_size)
    return Sequence(f"trial {row}", token_ids, len(token_ids), SamplingParams(_MARGIN))


def _token_ids(row: int, vocab_size: int, length: int = 0) -> list[int]:
    """A prompt of so many tokens, or of 6 to 85; each row has one of its own."""
    length = length or 6 + row * 37 % 80
    return [(place * 7919 + row * 104_729 + 11) % vocab_size for place in range(length)]
