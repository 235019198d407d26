"""A runner without a model, and an engine on it."""

import torch

from service.engine.engine import Engine
from service.engine.forward.flight import Flight
from service.engine.sampling.sampled import SamplerOutput
from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.scheduler import Scheduler
from service.engine_protocol.engine_config import BLOCK_SIZE, EngineInfo

NUM_BLOCKS = 8


class FakeRunner:
    """Gives each sequence the number of its tokens as its next token, and notes what it is asked.

    Attributes:
        calls: All calls in their order: "launch a b", "wait a b" for the tokens of that step, "forget".
        errors: What the next call of a name raises.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: dict[str, Exception] = {}

    def launch(self, scheduled: list[ScheduledSequence], before: Flight | None) -> Flight:
        names = " ".join(item.sequence.id for item in scheduled)
        self.call(f"launch {names}")
        sampling = [item.sequence for item in scheduled if item.is_last_chunk]
        output = SamplerOutput(torch.tensor([sequence.num_tokens for sequence in sampling]))
        rows = {sequence: row for row, sequence in enumerate(sampling)}
        return Flight(scheduled, rows, FakePending(self, f"wait {names}", output), [])

    def forget(self) -> None:
        self.call("forget")

    def call(self, name: str) -> None:
        self.calls.append(name)
        if error := self.errors.pop(name, None):
            raise error


class FakePending:
    """A step's work, which is done when it is waited for."""

    def __init__(self, runner: FakeRunner, name: str, output: SamplerOutput) -> None:
        self._runner, self._name = runner, name
        self.sampled = output

    def on_host(self) -> SamplerOutput:
        self._runner.call(self._name)
        return self.sampled


def engine_on(runner: FakeRunner, max_num_flights: int = 1, max_num_seqs: int = 4) -> Engine:
    """An engine for sequences of up to 64 tokens, of a vocabulary of 100."""
    scheduler = Scheduler(BlockPool(NUM_BLOCKS), max_num_seqs, max_num_batched_tokens=32)
    info = EngineInfo(
        vocab_size=100,
        max_position_embeddings=64,
        num_kv_tokens=NUM_BLOCKS * BLOCK_SIZE,
        kv_cache_bytes=0,
        device="none",
        dtype="none",
    )
    return Engine(runner, scheduler, info, 64, max_num_flights)
