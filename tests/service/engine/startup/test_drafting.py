"""Drafts are made where they change no token, and what they can't be used with is told."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from service.engine.startup.build import StartedRunner, make_engine, start_runner
from service.engine.startup.drafting import drafter_for, speculation_for
from service.engine.weights.load import load_model
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.speculative import Speculation, Speculative
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
        speculation = speculation_for(runner, EngineConfig(checkpoint("llama"), speculative=speculative))
    assert speculation.method == (Speculative.NGRAM if is_drafting else Speculative.NONE)
    assert (drafter_for(runner, speculation) is not None) == is_drafting
    assert ("speculative decoding by prompt lookup (ngram) is on" in caplog.text) == is_drafting
    assert bool(speculation.detail) != is_drafting, "why not"


def test_what_is_asked_for_and_can_not_be_is_told(
    checkpoint: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = checkpoint("llama")
    ahead = started(folder, "float32", Acceleration.OVERLAP).runner
    told = speculation_for(ahead, EngineConfig(folder, speculative=Speculative.AUTO))
    assert (told.method, "overlap" in told.detail) == (Speculative.NONE, True)
    assert not caplog.text, "nobody has asked for it, so it is no warning"
    assert speculation_for(ahead, EngineConfig(folder, speculative=Speculative.NGRAM)) == told
    assert "overlap" in caplog.text
    caplog.clear()
    shared = EngineConfig(folder, speculative=Speculative.NGRAM, other_devices=("cpu",))
    assert "devices that share a model" in speculation_for(started(folder).runner, shared).detail
    assert "devices that share a model" in caplog.text


def test_an_engine_tells_how_it_drafts(checkpoint: Callable[[str], Path]) -> None:
    folder, runner = checkpoint("llama"), started(checkpoint("llama"))
    drafting, plain = [make_engine(runner, EngineConfig(folder, speculative=it)) for it in Speculative if it != "auto"]
    assert drafting.info.speculation == Speculation(Speculative.NGRAM)
    assert plain.info.speculation == Speculation(Speculative.NONE, "turned off by --speculative none")
