"""The process in which ways to run a model as a whole are tried: an illegal access, or a hang, ends it alone."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from service.engine.device import use_device
from service.engine.errors import UnsupportedModelError
from service.engine.trials.answering import answer_lines, failure
from service.engine.trials.runner_trial import RunnerTrial, WrongLogitsError, load_first_layers
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig

Load = Callable[[EngineConfig], PreTrainedModel]


def answer_to(question: dict[str, Any], load: Load = load_first_layers) -> dict[str, Any]:
    """The times of steps, or why there are none.

    Args:
        question: What is asked, as JSON's values.
        load: Loads the model that is tried.
    """
    accelerations = frozenset(map(Acceleration, question["accelerations"]))
    try:
        counts = tuple(question["rows"]), tuple(question["prefilled_tokens"])
        trial = _trial(load, question["checkpoint"], *counts, **question["config"])
        if question["what"] == "prefill":
            return {"times_us": trial.prefill_times_us(accelerations)}
        return {"times_us": trial.times_us(accelerations), "graphs_bytes": trial.graphs_bytes}
    except (WrongLogitsError, UnsupportedModelError) as error:
        return {"wrong": str(error)}
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        return failure(error)


@functools.cache
def _trial(
    load: Load, checkpoint: str, rows: tuple[int, ...], prefilled: tuple[int, ...], **config: Any
) -> RunnerTrial:
    """The trial of one model, which remembers the plain way's logits."""
    use_device(config["device"])
    return RunnerTrial(EngineConfig(Path(checkpoint), **config), rows, prefilled, load=load)


if __name__ == "__main__":
    answer_lines(answer_to)
