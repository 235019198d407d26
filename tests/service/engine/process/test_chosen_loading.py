"""What trials have chosen is used; where it fails after all, the plain way is, or another device."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from service.engine.errors import UnsupportedModelError
from service.engine.process.chosen_loading import load_chosen
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Choices, TrialOutcome, Tried
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import LoadFailed, Loading
from service.engine_protocol.sampling_params import SamplingParams
from tests.support.checkpoints import save_tiny_model
from tests.support.engines import finish

Checkpoint = Callable[[str], Path]
TRIED = (Tried("accelerations", "attention+graphs", TrialOutcome.USED, times_us=((1, 2.0),)),)


def ignore(message: Loading | LoadFailed) -> None:
    pass


def chosen(**choices: object) -> Callable[[EngineConfig, int], Choices]:
    return lambda config, num_threads: Choices(tried=TRIED, **choices)  # type: ignore[arg-type]


def config_of(checkpoint: Path, **settings: object) -> EngineConfig:
    return EngineConfig(checkpoint, kv_cache_memory_mib=8, num_threads=1, **settings)  # type: ignore[arg-type]


@pytest.fixture
def unsupported(tmp_path: Path) -> Path:
    """A checkpoint whose layers the engine does not know."""
    folder = save_tiny_model(tmp_path)
    path = folder / "config.json"
    told = json.loads(path.read_text())
    told["rope_parameters"] = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    path.write_text(json.dumps(told))
    return folder


def test_an_engine_has_the_products_and_threads_that_were_chosen(checkpoint: Checkpoint) -> None:
    try:
        engine = load_chosen(config_of(checkpoint("llama")), ignore, chosen(products="linear", num_threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert engine.info.tried == TRIED
    engine.submit("it", [1, 2, 3], SamplingParams(4))
    assert len(finish(engine)) == 4


def test_ways_to_be_faster_with_which_the_whole_model_fails_are_left_out(
    checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    ways = frozenset({Acceleration.ATTENTION, Acceleration.GRAPHS})
    engine = load_chosen(config_of(checkpoint("llama")), ignore, chosen(accelerations=ways))
    (warning,) = [it.getMessage() for it in caplog.records if it.levelno == logging.WARNING]
    assert warning.startswith("the chosen ways to be faster are left out, with which the whole model fails: graphs")
    engine.submit("it", [1, 2, 3], SamplingParams(4))
    assert len(finish(engine)) == 4


def test_a_model_that_is_not_computed_right_on_its_device_is_loaded_where_it_may_fall_back_to(
    checkpoint: Checkpoint, unsupported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(unsupported, fallback=config_of(checkpoint("llama")))
    assert load_chosen(config, ignore, chosen()).info.device == "cpu"
    (warning,) = [it.getMessage() for it in caplog.records if it.levelno == logging.WARNING]
    assert warning.startswith("the model is served on cpu, since on cpu a model of type llama can't be served")


def test_without_a_fallback_the_reason_is_raised(unsupported: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="dynamic"):
        load_chosen(config_of(unsupported), ignore, chosen())
