"""Loads an engine with the ways to compute that trials have chosen, and without them where they fail after all."""

import logging
from collections.abc import Callable
from dataclasses import replace

import torch

from service.engine.engine import Engine
from service.engine.errors import UnsupportedModelError
from service.engine.linears.ways import products_chosen
from service.engine.process.loading import load_engine, throttled
from service.engine.process.ranks import load_sharded
from service.engine.process.setup import num_threads
from service.engine.progress import progress_told
from service.engine.trials.choose import choices_for, log_choices
from service.engine_protocol.acceleration import AccelerationError
from service.engine_protocol.choices import Choices
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import LoadFailed, Loading

_log = logging.getLogger(__name__)

Tell = Callable[[Loading | LoadFailed], None]
Choose = Callable[[EngineConfig, int], Choices]
"""Makes the choices of an engine, which has so many CPU threads by default."""


def load_chosen(config: EngineConfig, tell: Tell, choose: Choose = choices_for) -> Engine:
    """Chooses and loads what a config names; if it can't be computed right on its device, then its fallback.

    Args:
        config: What to load, and how.
        tell: Is told how far it is.
        choose: Makes the choices.

    Raises:
        Exception: What `load_engine` raises.
    """
    choices = _told(choose, config, tell)
    torch.set_num_threads(choices.num_threads or num_threads(config))
    if choices.accelerations:
        try:
            accelerated = replace(config, accelerations=choices.accelerations, graphs_bytes=choices.graphs_bytes)
            return _load(accelerated, choices, tell)
        except (AccelerationError, UnsupportedModelError) as error:
            _log.warning("the chosen ways to be faster are left out, with which the whole model fails: %s", error)
    try:
        return _load(config, choices, tell)
    except UnsupportedModelError as error:
        if config.fallback is None:
            raise
        _log.warning("the model is served on %s, since on %s %s", config.fallback.device, config.device, error)
    return load_chosen(config.fallback, tell, choose)


def _load(config: EngineConfig, choices: Choices, tell: Tell) -> Engine:
    load_it = load_sharded if config.other_devices else load_engine
    with products_chosen(choices.products):
        engine = load_it(config, tell)
    engine.info = replace(engine.info, tried=(*choices.tried, *engine.info.tried))
    return engine


def _told(choose: Choose, config: EngineConfig, tell: Tell) -> Choices:
    """The choices, of whose making and of which it is told."""
    report = throttled(lambda message: tell(replace(message, is_before=True)), is_bytes=False)
    with progress_told(report):
        choices = choose(config, num_threads(config))
    log_choices(choices)
    return choices
