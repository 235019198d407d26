"""A step between its launch, when the device is given its work, and its retirement, when the host sees its tokens."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from service.engine.device import has_streams, to_host
from service.engine.sampling.sampled import SampledToken, SamplerOutput, SamplingError
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence

Work = Callable[[], SamplerOutput]
"""A step's work on the device."""


class Pending(Protocol):
    """Work that the device was given."""

    @property
    def sampled(self) -> SamplerOutput:
        """Tokens that it samples, on the device, for work that is launched later."""
        ...

    def on_host(self) -> SamplerOutput:
        """Tokens that it has sampled, on the CPU; waits until it is done."""
        ...


class Launched:
    """Work of which each operation is given to the device at once. A CPU has then done it.

    On CUDA a copy of what is sampled follows the work, and nothing else is waited for than that this copy is there.
    """

    def __init__(self, work: Work) -> None:
        self.sampled = work()
        self._on_host = self.sampled.moved(to_host)
        device = self.sampled.outcomes.device
        self._event = torch.cuda.current_stream(device).record_event() if has_streams(device) else None

    def on_host(self) -> SamplerOutput:
        """Tokens that it has sampled, on the CPU; waits until it is done."""
        if self._event is not None:
            self._event.synchronize()
        return self._on_host


@dataclass(frozen=True, slots=True)
class Flight:
    """A step in flight.

    Attributes:
        scheduled: Its sequences.
        rows: Which row of what it samples is each sequence's token; none where a prefill has more chunks to come.
        pending: Its work.
        prompts: Those of its sequences that get log probabilities of their prompts, in the order of its rows.
    """

    scheduled: list[ScheduledSequence]
    rows: dict[Sequence, int]
    pending: Pending
    prompts: list[ScheduledSequence]

    def tokens(self) -> dict[Sequence, SampledToken | SamplingError]:
        """The token of each sequence that got one, or why it has none; waits for the device."""
        tokens = self.pending.on_host().tokens()
        return {sequence: tokens[row] for sequence, row in self.rows.items()}

    def keep_prompt_logprobs(self) -> None:
        """Lets sequences know what the step tells of their prompts; waits for the device if it tells anything."""
        logprobs = self.pending.on_host().prompt_logprobs if self.prompts else None
        if logprobs is None:
            return
        rows = iter(logprobs.by_row().values())
        for item in self.prompts:
            known = list(itertools.islice(rows, item.num_prompt_logits))
            if item.sequence.prompt_logprobs is not None:
                item.sequence.prompt_logprobs += known
