"""What runs in one process: an engine with the cases that it serves, the peer, or the ceilings."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.gpu.cases import Case
from bench.gpu.ceilings import measure_ceilings
from bench.gpu.engine_cases import measure, num_kv_tokens, peer_rate
from bench.gpu.models import random_engine, random_model
from bench.roofline import Measurement, Rates
from service.engine.device import use_device
from service.engine_protocol.acceleration import Acceleration


def way_of(accelerations: frozenset[Acceleration], label: str = "") -> str:
    """How the table calls them, after a label if they have one."""
    names = " ".join(way.value for way in Acceleration if way in accelerations) or "plain"
    return f"{label}: {names}" if label else names


@dataclass(frozen=True)
class CeilingsJob:
    """Measures the card."""

    device: str
    is_tiny: bool
    limit_s: float = 60.0

    def run(self) -> Iterator[Rates]:
        """Gives its rates."""
        yield measure_ceilings(self.device, self.is_tiny)


@dataclass(frozen=True)
class EngineJob:
    """Measures cases of one model on one engine.

    Attributes:
        device: Where.
        cases: What; all of one shape and weights.
        accelerations: With what.
        label: Who has chosen these, for the table; empty for nobody.
        limit_s: When it is stopped. To compile layers may take two minutes, where nothing was compiled before.
    """

    device: str
    cases: tuple[Case, ...]
    accelerations: frozenset[Acceleration]
    label: str = ""
    limit_s: float = 240.0

    @property
    def way(self) -> str:
        """How the table calls its accelerations."""
        return way_of(self.accelerations, self.label)

    def run(self) -> Iterator[Measurement]:
        """Measures one after the other."""
        use_device(self.device)
        first = self.cases[0]
        room = max(map(num_kv_tokens, self.cases))
        most = max(case.num_sequences for case in self.cases)
        engine = random_engine(first.shape, first.weights, self.device, self.accelerations, room, most)
        for case in self.cases:
            yield Measurement(case.name, self.way, measure(engine, case))


@dataclass(frozen=True)
class PeerJob:
    """Measures transformers' continuous batching on the weights that the engine had."""

    device: str
    cases: tuple[Case, ...]
    way: str = "tuned"
    limit_s: float = 120.0

    def run(self) -> Iterator[Measurement]:
        """Measures one after the other."""
        use_device(self.device)
        for case in self.cases:
            model = random_model(case.shape, case.weights, self.device)
            yield Measurement(case.name, self.way, peer_rate(model, case, self.device))
