"""Decides whether an engine computes drafts of its sequences' next tokens."""

import logging

from service.engine.forward.model_runner import ModelRunner
from service.engine.scheduling.drafter import Drafter
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.speculative import Speculation, Speculative

_log = logging.getLogger(__name__)

_ROW_COST = 0.2
"""Of SmolLM2's steps in 4 bits on one thread of an AMD EPYC of Zen 4; wider weights make another row cheaper."""


def speculation_for(runner: ModelRunner, config: EngineConfig) -> Speculation:
    """How an engine drafts, which the log tells; a warning if it does not although somebody has asked for it.

    Args:
        runner: The engine's. Only `NativeDecoder` computes chunks to the same bits as single tokens.
        config: What was asked for.
    """
    if config.speculative is Speculative.NONE:
        return Speculation(detail="turned off by --speculative none")
    obstacle = _obstacle(runner, config)
    if not obstacle and config.speculative is Speculative.AUTO and not runner.is_native:
        obstacle = "here tokens could differ in their last bits with drafts; --speculative ngram drafts nevertheless"
    if obstacle:
        level = logging.INFO if config.speculative is Speculative.AUTO else logging.WARNING
        _log.log(level, "no speculative decoding: %s", obstacle)
        return Speculation(detail=obstacle)
    _log.info("speculative decoding by prompt lookup (ngram) is on")
    return Speculation(Speculative.NGRAM)


def drafter_for(runner: ModelRunner, speculation: Speculation) -> Drafter | None:
    """What drafts for an engine; None if nothing does."""
    return Drafter(_ROW_COST, runner.rope_switch) if speculation.method is Speculative.NGRAM else None


def _obstacle(runner: ModelRunner, config: EngineConfig) -> str:
    """What it can't be used with; empty if nothing is in the way."""
    if Acceleration.OVERLAP in runner.accelerations:
        return "with overlap a step is scheduled before it is known which of a draft's tokens come"
    if config.other_devices:
        return "devices that share a model don't tell each other of drafts"
    return ""
