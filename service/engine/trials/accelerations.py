"""Chooses for an engine on a CUDA device: the ways to be faster that are right and quicker there."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from service.engine.trials.questions import LEAST_GAIN, Question, Trials, with_quickest
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.choices import Choices, Tried
from service.engine_protocol.engine_config import EngineConfig

RUNNER_PROGRAM: Final = Path(__file__).with_name("runner_program.py")

PLAIN: Final = "plain"

NUM_LAYERS: Final = 4
"""Of the model, that are tried."""

_GRAPHS_MARGIN: Final = 1.25
"""Memory is taken in pieces of megabytes, not just as it is needed."""

SDPA: Final = "sdpa"
"""The name of the way in which prompts attend without one of `PREFILLS`."""

_ROWS: Final = (1, 8, 32, 128)
_PREFILLED_TOKENS: Final = (512, 2048)

Ways = frozenset[Acceleration]

_GRAPHS: Final[Ways] = frozenset({Acceleration.ATTENTION, Acceleration.GRAPHS})
_LAYERS: Final[Ways] = _GRAPHS | {Acceleration.LAYERS}
"""Without graphs compiled layers cost the host more than they save, so that is not tried."""


def choose_accelerations(config: EngineConfig, is_quantized: bool, trials: Trials, num_layers: int = 0) -> Choices:
    """Tries one way after the other, then together what is right and quicker, and then how prompts attend beside that.

    Args:
        config: The engine's.
        is_quantized: Whether its weights may have 4 or 8 bits.
        trials: Answers for an engine on the device.
        num_layers: How many layers the whole model has, of which fewer are tried; 0 if nobody knows.
    """
    found: dict[Ways, Tried] = {}

    def ask(*sets: Ways) -> None:
        asked = [each for each in sets if each not in found]
        answers = trials.ask_all(_question(config, each) for each in asked)
        found.update(zip(asked, answers, strict=True))

    ask(frozenset())
    plain = found[frozenset()]
    if not plain.is_right:
        return Choices(tried=(plain,))
    alone = [Acceleration.OVERLAP, Acceleration.ATTENTION, *([Acceleration.LINEARS] if is_quantized else [])]
    ask(*(frozenset({each}) for each in alone))
    if found[frozenset({Acceleration.ATTENTION})].is_right:
        ask(_GRAPHS)
    if _GRAPHS in found and found[_GRAPHS].is_right:
        ask(_LAYERS)
    ask(_together(found))
    used, tried = with_quickest(list(found.values()))
    accelerations = next(each for each in found if way_of(each) == used)
    reserve = graphs_bytes(found[accelerations], num_layers)
    prefill, tried_prefills = _choose_prefill(config, accelerations, trials)
    return Choices(accelerations=accelerations | prefill, graphs_bytes=reserve, tried=(*tried, *tried_prefills))


def _choose_prefill(config: EngineConfig, accelerations: Ways, trials: Trials) -> tuple[Ways, list[Tried]]:
    """How prompts attend beside what is chosen for decoding, the way without any of `PREFILLS` first."""
    ways = {SDPA: Ways(), **{str(each): Ways({each}) for each in (Acceleration.VARLEN, Acceleration.FLEX)}}
    asked = [_question(config, accelerations | each, "prefill", name) for name, each in ways.items()]
    used, tried = with_quickest(trials.ask_all(asked))
    return ways[used or SDPA], tried


def graphs_bytes(tried: Tried, num_layers: int) -> int:
    """The memory to keep free for the CUDA graphs of a whole model; 0 where no trial has measured any.

    The largest graph takes what all of them compute in, which does not grow with the layers; each kernel takes its own.
    """
    first_bytes, other_bytes = tried.graphs_bytes
    if not first_bytes or not num_layers:
        return 0
    return int(_GRAPHS_MARGIN * (first_bytes + other_bytes * num_layers / min(num_layers, NUM_LAYERS)))


def way_of(accelerations: Iterable[Acceleration]) -> str:
    """The name of several ways together."""
    return "+".join(sorted(accelerations)) or PLAIN


def _together(found: Mapping[Ways, Tried]) -> Ways:
    """All that is quicker, each beside what it was tried without."""
    together: Ways = frozenset()
    for each, tried in found.items():
        beside = _GRAPHS if each == _LAYERS else frozenset()
        if each and tried.is_right and tried.mean_time_us < (1 - LEAST_GAIN) * found[beside].mean_time_us:
            together |= each
    return together


def _question(config: EngineConfig, accelerations: Ways, what: str = "accelerations", way: str = "") -> Question:
    plain: Mapping[str, Any] = {
        name: getattr(config, name)
        for name in ("device", "dtype", "quantization", "max_num_seqs", "max_num_batched_tokens")
    }
    asked = {
        "checkpoint": str(config.checkpoint),
        "accelerations": sorted(accelerations),
        "rows": _ROWS,
        "prefilled_tokens": _PREFILLED_TOKENS,
        "config": plain,
    }
    return Question(what, way or way_of(accelerations), asked)
