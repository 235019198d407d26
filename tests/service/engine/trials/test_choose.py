"""An engine on the CPU chooses by trial once, and from the disk after that."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from service.engine.trials.choose import TrialSetting, choices_for, log_choices
from service.engine.trials.cpu import thread_counts
from service.engine.trials.questions import TrialLimits
from service.engine_protocol.choices import Choices, TrialOutcome
from service.engine_protocol.engine_config import EngineConfig
from tests.support.checkpoints import save_tiny_model
from tests.support.trial_programs import write_program

LIMITS = TrialLimits(each_s=240.0, all_s=280.0)


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(save_tiny_model(tmp_path / "model"), has_trials=True, num_threads=1)


def setting(tmp_path: Path, **names: str) -> TrialSetting:
    return TrialSetting(tmp_path / "kept", LIMITS, write_program(tmp_path, **names), min_weights=0)


def test_the_products_of_this_machine_are_tried_in_a_process_and_kept(tmp_path: Path, config: EngineConfig) -> None:
    choices = choices_for(config, 1, setting=TrialSetting(tmp_path / "kept", LIMITS, min_weights=0))
    assert choices.products == next(it.way for it in choices.tried if it.outcome is TrialOutcome.USED)
    assert choices_for(config, 1, setting=setting(tmp_path, linear="crash", onednn="crash")) == choices


def test_nothing_is_tried_for_a_tiny_model_unless_somebody_asks(tmp_path: Path, config: EngineConfig) -> None:
    tiny = TrialSetting(tmp_path / "kept", LIMITS, write_program(tmp_path))
    assert choices_for(config, 1, setting=tiny) == Choices()
    assert choices_for(config, 1, again=True, setting=tiny).products


def test_the_quicker_is_used(tmp_path: Path, config: EngineConfig) -> None:
    assert choices_for(config, 1, setting=setting(tmp_path, onednn="slow")).products != "onednn"


def test_where_every_way_ends_its_process_nothing_is_chosen(tmp_path: Path, config: EngineConfig) -> None:
    dies = dict.fromkeys(("native", "onednn", "linear"), "segfault")
    choices = choices_for(config, 1, setting=setting(tmp_path, **dies))
    assert (choices.products, choices.num_threads) == ("", 0)
    assert {it.outcome for it in choices.tried} == {TrialOutcome.FAILED}
    assert choices_for(config, 1, setting=setting(tmp_path)) == choices, "it is known, and not tried at each start"


def test_it_is_tried_again_when_somebody_asks(tmp_path: Path, config: EngineConfig) -> None:
    dies = dict.fromkeys(("native", "onednn", "linear"), "crash")
    choices_for(config, 1, setting=setting(tmp_path, **dies))
    assert choices_for(config, 1, again=True, setting=setting(tmp_path)).products


def test_rows_of_other_types_are_other_choices(tmp_path: Path, config: EngineConfig) -> None:
    dies = dict.fromkeys(("native", "onednn", "linear"), "crash")
    choices_for(config, 1, setting=setting(tmp_path, **dies))
    assert choices_for(replace(config, activation_dtype="int8"), 1, setting=setting(tmp_path)).products


def test_threads_are_chosen_unless_somebody_has_said_how_many(tmp_path: Path) -> None:
    config = EngineConfig(save_tiny_model(tmp_path / "model"), has_trials=True)
    given = {it.what for it in choices_for(config, 1, setting=setting(tmp_path)).tried}
    assert given <= {"products", "threads"}
    assert thread_counts(8, 4) == (7, 8, 4)
    assert thread_counts(2, 2) == (1, 2)
    assert thread_counts(1, 1) == (1,)


def test_an_engine_that_may_not_try_reads_nothing(tmp_path: Path, config: EngineConfig) -> None:
    quiet = EngineConfig(config.checkpoint)
    assert choices_for(quiet, 1, setting=setting(tmp_path)) == Choices()
    assert not (tmp_path / "kept").exists()


def test_where_nothing_can_be_kept_nothing_is_tried(
    tmp_path: Path, config: EngineConfig, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "kept").write_text("a file in the way")
    assert choices_for(config, 1, setting=setting(tmp_path)) == Choices()
    (message,) = caplog.messages
    assert message.startswith("nothing is tried, and the default ways are used: ")


def test_the_log_has_a_table(tmp_path: Path, config: EngineConfig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    choices = choices_for(config, 1, setting=setting(tmp_path, linear="wrong"))
    caplog.clear()
    log_choices(choices)
    assert caplog.messages[0].split() == ["what", "way", "1", "row,", "ms", "16", "rows,", "ms", "outcome"]
    assert any(line.split() == ["products", "linear", "-", "-", "wrong:", "by", "0.5"] for line in caplog.messages)
