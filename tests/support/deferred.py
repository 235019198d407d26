"""A device on the CPU that does its work later, as a GPU does."""

import copy
from collections import deque
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from service.engine.attention.paged_decode import paged_decode_reference
from service.engine.engine import Engine
from service.engine.forward.flight import Work
from service.engine.sampling.sampled import SamplerOutput
from service.engine.startup.build import Backend, build_engine
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from tests.support.recorded_operations import RecordedOperations

OVERLAP = frozenset({Acceleration.OVERLAP})


class DeferredWork:
    """A step's work that waits until somebody wants to see what it samples."""

    def __init__(self, device: "DeferredDevice", work: Work) -> None:
        self._device = device
        self._work = work
        self._sampled: SamplerOutput | None = None
        self._error: Exception | None = None
        self.is_done = False

    @property
    def sampled(self) -> SamplerOutput:
        assert self.is_done, "the device does its work in order"
        if self._error is not None:
            raise self._error
        assert self._sampled is not None
        return self._sampled

    def run(self) -> None:
        try:
            if self._device.is_failing:
                raise RuntimeError("the device fails")
            self._sampled = self._work()
        except Exception as error:  # a device goes on, and its host is told when it asks
            self._error = error
        self.is_done = True

    def on_host(self) -> SamplerOutput:
        self._device.run_until(self)
        return self.sampled


class DeferredDevice:
    """Does what it is given in order, and nothing of it before a result is waited for.

    Attributes:
        num_launched: How many steps it was given.
        most_in_flight: The most that it had been given and not done at one time.
        is_failing: Whether what it does now fails.
    """

    def __init__(self) -> None:
        self._queue: deque[DeferredWork] = deque()
        self.num_launched = 0
        self.most_in_flight = 0
        self.is_failing = False

    def launch(self, work: Work) -> DeferredWork:
        self._queue.append(DeferredWork(self, work))
        self.num_launched += 1
        self.most_in_flight = max(self.most_in_flight, len(self._queue))
        return self._queue[-1]

    def run_until(self, work: DeferredWork) -> None:
        while not work.is_done:
            self._queue.popleft().run()


def overlapping_engine(model: PreTrainedModel, num_blocks: int = 128, **config: Any) -> tuple[Engine, DeferredDevice]:
    """An engine on a copy of a model that launches steps ahead, and its device."""
    device = DeferredDevice()
    settings = EngineConfig(Path("unused"), **({"accelerations": OVERLAP} | config))
    backend = Backend(decode_attention=paged_decode_reference, launch_work=device.launch, capture=RecordedOperations())
    return build_engine(copy.deepcopy(model), settings, num_blocks, backend), device
