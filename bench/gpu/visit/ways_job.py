"""The job that tries what `--accelerate auto` tries, with random weights of a real model's shapes."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.gpu.cases import Case
from bench.gpu.visit.state import Found
from bench.gpu.visit.ways_program import checkpoint_of
from service.engine.trials.accelerations import choose_accelerations
from service.engine.trials.questions import TrialLimits, Trials
from service.engine_protocol.engine_config import EngineConfig

_PROGRAM: Final = Path(__file__).with_name("ways_program.py")

LIMITS: Final = TrialLimits(each_s=50.0, all_s=75.0)
"""Less than a service takes: a visit is short."""

_MAX_NUM_SEQS, _MAX_NUM_BATCHED_TOKENS = 128, 8192
_TOKENS_OF_TINY = 128


@dataclass(frozen=True)
class WaysJob:
    """Tries ways to be faster on a device.

    Attributes:
        device: Where.
        case: Whose model.
        is_tiny: Whether it is shrunk.
        limits: How long trials may take.
    """

    device: str
    case: Case
    is_tiny: bool
    limits: TrialLimits = LIMITS

    def run(self) -> Iterator[Found]:
        """Tells of each way, and which are used."""
        most = self.case.shrunk().num_sequences if self.is_tiny else _MAX_NUM_SEQS
        config = EngineConfig(
            checkpoint_of(self.case, self.is_tiny),
            self.device,
            self.case.weights.dtype,
            max_num_seqs=most,
            max_num_batched_tokens=_TOKENS_OF_TINY if self.is_tiny else _MAX_NUM_BATCHED_TOKENS,
        )
        with Trials(_PROGRAM, self.limits) as trials:
            choices = choose_accelerations(config, False, trials, self.case.shape.num_layers)
        for tried in choices.tried:
            yield Found("ways", asdict(tried))
        yield Found("accelerations", sorted(choices.accelerations))
        yield Found("graphs_bytes", choices.graphs_bytes)
