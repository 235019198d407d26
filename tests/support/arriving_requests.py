"""Requests for an engine that computes them among others, and of which each must get what it gets alone."""

from typing import NamedTuple

from service.engine_protocol.messages import GrammarSpec
from service.engine_protocol.sampling_params import Priority, SamplingParams

PREFIX = [3 + (step * 7) % 300 for step in range(40)]
FEW = tuple(range(3, 418, 50))
PAIRS = tuple((first, second) for first in FEW for second in FEW if (first + second) % 100 == 6)
"""Bad words: behind each of these tokens every other one is forbidden."""


class Request(NamedTuple):
    """A request, and what becomes of it."""

    prompt: tuple[int, ...]
    params: SamplingParams
    grammar: GrammarSpec | None
    priority: Priority
    arrives_at: int
    aborted_after: int | None
