"""Decides whether an engine computes drafts of its sequences' next tokens."""

import logging

from service.engine.forward.model_runner import ModelRunner
from service.engine.scheduling.drafter import Drafter
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.speculative import Speculative

_log = logging.getLogger(__name__)

_ROW_COST = 0.2
"""Of SmolLM2's steps in 4 bits on one thread of an AMD EPYC of Zen 4; wider weights make another row cheaper."""


def drafter_for(runner: ModelRunner, config: EngineConfig) -> Drafter | None:
    """What drafts for an engine; None if nothing does, which the log tells if it was asked for.

    Args:
        runner: The engine's. Only `NativeDecoder` computes chunks to the same bits as single tokens.
        config: What was asked for.
    """
    if config.speculative is Speculative.NONE:
        return None
    if obstacle := _obstacle(runner, config):
        if config.speculative is not Speculative.AUTO:
            _log.warning("no speculative decoding: %s", obstacle)
        return None
    if config.speculative is Speculative.AUTO and not runner.is_native:
        return None
    _log.info("speculative decoding by prompt lookup (ngram) is on")
    return Drafter(_ROW_COST, runner.rope_switch)


def _obstacle(runner: ModelRunner, config: EngineConfig) -> str:
    """What it can't be used with; empty if nothing is in the way."""
    if Acceleration.OVERLAP in runner.accelerations:
        return "with overlap a step is scheduled before it is known which of a draft's tokens come"
    if config.other_devices:
        return "devices that share a model don't tell each other of drafts"
    return ""
