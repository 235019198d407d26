"""The process in which a visit tries ways: as service.engine.trials.runner_program, with random weights."""

import functools
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedModel

from bench.gpu.cases import CASES, Case
from bench.gpu.models import random_model
from service.engine.trials.accelerations import NUM_LAYERS
from service.engine.trials.answering import answer_lines
from service.engine.trials.runner_program import answer_to
from service.engine_protocol.engine_config import EngineConfig

TINY, WHOLE = "tiny", "whole"


def checkpoint_of(case: Case, is_tiny: bool) -> Path:
    """What an engine's config names in place of a checkpoint."""
    return Path(TINY if is_tiny else WHOLE, case.name)


def load_random(config: EngineConfig) -> PreTrainedModel:
    """The first layers of a case's model; the same weights each time."""
    size, name = config.checkpoint.parts
    case = next(case for case in CASES if case.name == name)
    shape = case.shrunk().shape if size == TINY else case.shape
    shape = replace(shape, num_layers=min(NUM_LAYERS, shape.num_layers))
    return random_model(shape, case.weights, config.device, config.accelerations)


if __name__ == "__main__":
    answer_lines(functools.partial(answer_to, load=load_random))
