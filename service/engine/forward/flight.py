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
        rows: Which row of what it samples is each sequence's token, the first of several behind a draft; none where a
            prefill has more chunks to come.
        pending: Its work.
        prompts: Those of its sequences that get log probabilities of their prompts, in the order of its rows.
    """

    scheduled: list[ScheduledSequence]
    rows: dict[Sequence, int]
    pending: Pending
    prompts: list[ScheduledSequence]

    def tokens(self) -> dict[Sequence, list[SampledToken | SamplingError]]:
        """What each sequence gets, its token or why it has none; waits for the device.

        Behind a draft that is the token in the place of each drafted one, then that behind all of them, up to the first
        that is not as drafted: what follows that was sampled for nothing.
        """
        tokens = self.pending.on_host().tokens()
        return {
            item.sequence: _accepted(item.draft, tokens[row : row + item.num_sampled])
            for item in self.scheduled
            if (row := self.rows.get(item.sequence)) is not None
        }

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


def _accepted(draft: list[int], tokens: list[SampledToken | SamplingError]) -> list[SampledToken | SamplingError]:
    for place, (token_id, token) in enumerate(zip(draft, tokens, strict=False), 1):
        if isinstance(token, SamplingError) or token.token_id != token_id:
            return tokens[:place]
    return tokens
