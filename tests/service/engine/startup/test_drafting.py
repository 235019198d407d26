"""Drafts are made where they change no token, and what they can't be used with is told."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.startup.build import StartedRunner, start_runner
from service.engine.startup.drafting import drafter_for
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.speculative import Speculative
from tests.support.engines import checkpoint

__all__ = ["checkpoint"]


def started(checkpoint: Path, dtype: str = "float32", *accelerations: Acceleration) -> StartedRunner:
    config = EngineConfig(checkpoint, accelerations=frozenset(accelerations))
    return start_runner(load_model(checkpoint, "cpu", dtype), config, 16)


@pytest.mark.parametrize(
    ("dtype", "speculative", "is_drafting"),
    [
        ("float32", Speculative.AUTO, True),
        ("float32", Speculative.NGRAM, True),
        ("float32", Speculative.NONE, False),
        ("float64", Speculative.AUTO, False),  # which compiled code of ours does not compute
        ("float64", Speculative.NGRAM, True),
    ],
)
def test_drafts_are_made_of_their_own_accord_where_tokens_stay_the_same(
    checkpoint: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    dtype: str,
    speculative: Speculative,
    is_drafting: bool,
) -> None:
    runner = started(checkpoint("llama"), dtype).runner
    with caplog.at_level(logging.INFO, logger="service"):
        drafter = drafter_for(runner, EngineConfig(checkpoint("llama"), speculative=speculative))
    assert (drafter is not None) == is_drafting
    assert ("speculative decoding by prompt lookup (ngram) is on" in caplog.text) == is_drafting


def test_what_is_asked_for_and_can_not_be_is_told(
    checkpoint: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = checkpoint("llama")
    ahead = started(folder, "float32", Acceleration.OVERLAP).runner
    assert drafter_for(ahead, EngineConfig(folder, speculative=Speculative.AUTO)) is None
    assert not caplog.text, "nobody has asked for it"
    assert drafter_for(ahead, EngineConfig(folder, speculative=Speculative.NGRAM)) is None
    assert "overlap" in caplog.text
    caplog.clear()
    shared = EngineConfig(folder, speculative=Speculative.NGRAM, other_devices=("cpu",))
    assert drafter_for(started(folder).runner, shared) is None
    assert "devices that share a model" in caplog.text
