"""Ways to be faster are tried one after the other, then together what is right and quicker."""

from pathlib import Path

import pytest

from service.engine.trials.accelerations import choose_accelerations, graphs_bytes
from service.engine.trials.questions import TrialLimits, Trials
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Choices, TrialOutcome, Tried
from service.engine_protocol.engine_config import EngineConfig
from tests.support.trial_programs import write_program

CONFIG = EngineConfig(Path("unused"), device="cuda")
ATTENTION, GRAPHS, LAYERS, LINEARS, OVERLAP, VARLEN, FLEX = (
    Acceleration(name) for name in ("attention", "graphs", "layers", "linears", "overlap", "varlen", "flex")
)


def choose(folder: Path, names: dict[str, str], is_quantized: bool = False) -> Choices:
    """What is chosen where each way does what its name stands for; others are slow."""
    program = write_program(folder, default="slow", **names)
    with Trials(program, TrialLimits(each_s=120.0, all_s=600.0)) as trials:
        return choose_accelerations(CONFIG, is_quantized, trials)


def outcomes(choices: Choices) -> dict[str, TrialOutcome]:
    return {it.way: it.outcome for it in choices.tried}


def test_where_nothing_is_quicker_the_plain_way_is_used(tmp_path: Path) -> None:
    choices = choose(tmp_path, {})
    assert choices.accelerations == frozenset()
    assert outcomes(choices)["plain"] is TrialOutcome.USED
    assert set(outcomes(choices)) == {
        *("plain", "overlap", "attention"),
        *("attention+graphs", "attention+graphs+layers"),
        *("sdpa", "varlen", "flex"),
    }
    assert outcomes(choices)["sdpa"] is TrialOutcome.USED


def test_all_that_is_quicker_is_tried_together(tmp_path: Path) -> None:
    choices = choose(
        tmp_path,
        {"overlap": "quicker", "attention+graphs": "quicker", "attention+graphs+overlap": "quick"},
    )
    assert choices.accelerations == {ATTENTION, GRAPHS, OVERLAP}
    assert outcomes(choices)["attention+graphs+overlap"] is TrialOutcome.USED


@pytest.mark.parametrize("fate", ["crash", "wrong", "failed", "gibberish"])
def test_what_is_wrong_or_ends_its_process_is_left_out(tmp_path: Path, fate: str) -> None:
    choices = choose(tmp_path, {"overlap": fate, "attention": "quicker", "attention+graphs": fate})
    assert choices.accelerations == {ATTENTION}
    assert "attention+graphs+layers" not in outcomes(choices), "they need the graphs"
    assert outcomes(choices)["overlap"] in (TrialOutcome.FAILED, TrialOutcome.WRONG)


def test_if_the_quick_ones_fail_together_the_quickest_one_is_used(tmp_path: Path) -> None:
    choices = choose(tmp_path, {"overlap": "quicker", "attention": "quick", "attention+overlap": "segfault"})
    assert choices.accelerations == {ATTENTION}


def test_layers_have_to_be_quicker_than_the_graphs_that_they_need(tmp_path: Path) -> None:
    choices = choose(tmp_path, {"attention+graphs": "quicker", "attention+graphs+layers": "quicker"})
    assert choices.accelerations == {ATTENTION, GRAPHS}


@pytest.mark.parametrize(
    ("taken", "num_layers", "reserve"),
    [
        ((100, 40), 32, 525),  # the others grow with the layers, and a quarter is added to all
        ((100, 40), 2, 175),
        ((100, 40), 0, 0),
        ((0, 0), 32, 0),
    ],
)
def test_graphs_get_what_recording_took_counted_for_all_layers(
    taken: tuple[int, int], num_layers: int, reserve: int
) -> None:
    tried = Tried("accelerations", "attention+graphs", TrialOutcome.USED, graphs_bytes=taken)
    assert graphs_bytes(tried, num_layers) == reserve


def test_kernels_for_packed_weights_are_tried_where_there_may_be_such(tmp_path: Path) -> None:
    assert choose(tmp_path, {"linears": "quick"}, is_quantized=True).accelerations == {LINEARS}
    assert "linears" not in outcomes(choose(tmp_path, {}))


def test_how_prompts_attend_is_chosen_beside_what_is_chosen_for_decoding(tmp_path: Path) -> None:
    choices = choose(tmp_path, {"attention": "quick", "varlen": "quicker", "flex": "quick"})
    assert choices.accelerations == {ATTENTION, FLEX}
    prefills = {it.way: it.outcome for it in choices.tried if it.what == "prefill"}
    assert prefills == {
        "sdpa": TrialOutcome.SLOWER,
        "varlen": TrialOutcome.SLOWER,
        "flex": TrialOutcome.USED,
    }


@pytest.mark.parametrize("fate", ["crash", "segfault", "wrong", "failed", "gibberish", "slow"])
def test_a_way_of_prompts_that_is_no_good_is_left_out(tmp_path: Path, fate: str) -> None:
    choices = choose(tmp_path, {"attention": "quick", "varlen": fate, "flex": "quicker"})
    assert choices.accelerations == {ATTENTION, FLEX}
    assert outcomes(choices)["varlen"] is not TrialOutcome.USED
    assert choose(tmp_path, {"varlen": fate, "flex": fate}).accelerations == frozenset()


def test_a_way_of_prompts_that_hangs_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    program = write_program(tmp_path, default="slow", varlen="hang", flex="quick")
    with Trials(program, TrialLimits(each_s=4.0, all_s=600.0)) as trials:
        choices = choose_accelerations(CONFIG, False, trials)
    assert choices.accelerations == {FLEX}
    assert outcomes(choices)["varlen"] is TrialOutcome.TOO_LONG


def test_where_no_way_of_prompts_answers_none_is_chosen(tmp_path: Path) -> None:
    choices = choose(tmp_path, {"attention": "quick", "sdpa": "crash", "varlen": "crash", "flex": "crash"})
    assert choices.accelerations == {ATTENTION}


@pytest.mark.parametrize("fate", ["crash", "wrong", "failed"])
def test_where_even_the_plain_way_fails_nothing_else_is_tried(tmp_path: Path, fate: str) -> None:
    choices = choose(tmp_path, {"plain": fate})
    assert choices.accelerations == frozenset()
    assert list(outcomes(choices)) == ["plain"]
