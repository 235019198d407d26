"""The process in which ways to run a model as a whole are tried: an illegal access, or a hang, ends it alone."""

import functools
from pathlib import Path
from typing import Any

from service.engine.device import use_device
from service.engine.errors import UnsupportedModelError
from service.engine.trials.answering import answer_lines, failure
from service.engine.trials.runner_trial import RunnerTrial, WrongLogitsError
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig


def answer_to(question: dict[str, Any]) -> dict[str, Any]:
    """The times of steps, or why there are none."""
    accelerations = frozenset(map(Acceleration, question["accelerations"]))
    try:
        trial = _trial(question["checkpoint"], tuple(question["rows"]), **question["config"])
        return {"times_us": trial.times_us(accelerations)}
    except (WrongLogitsError, UnsupportedModelError) as error:
        return {"wrong": str(error)}
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        return failure(error)


@functools.cache
def _trial(checkpoint: str, rows: tuple[int, ...], **config: Any) -> RunnerTrial:
    """The trial of one model, which remembers the plain way's logits."""
    use_device(config["device"])
    return RunnerTrial(EngineConfig(Path(checkpoint), **config), rows)


if __name__ == "__main__":
    answer_lines(answer_to)
