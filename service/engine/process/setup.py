"""The start of an engine's process, before its first message."""

import logging

from safetensors import SafetensorError

from service.checkpoints.errors import CheckpointError
from service.engine.device import NoDeviceError
from service.engine.process.loading import NoRoomError
from service.engine.trials.machine import num_cores
from service.engine_protocol.acceleration import AccelerationError
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import LoadFailed

_log = logging.getLogger(__name__)

_OWN_ERRORS = (AccelerationError, CheckpointError, NoDeviceError)

LOAD_ERRORS = (
    *(*_OWN_ERRORS, NoRoomError),
    *(OSError, ValueError, TypeError, LookupError, RuntimeError, ImportError, SafetensorError),
)
"""Errors for a checkpoint that can't be loaded; torch, transformers and safetensors raise most of them."""


def num_threads(config: EngineConfig) -> int:
    """One thread fewer than there are cores: a step that waits for a preempted thread takes many times as long.

    Ranks that share a model share these.
    """
    return config.num_threads or max(1, (num_cores() - 1) // len(config.devices))


def load_failure(error: Exception, config: EngineConfig) -> LoadFailed:
    """Maps an error to what the edge is told when a checkpoint can't be loaded."""
    if isinstance(error, NoRoomError):
        return LoadFailed(str(error), error.free_bytes)
    if isinstance(error, _OWN_ERRORS):
        return LoadFailed(str(error))
    _log.error("loading %s failed", config.checkpoint, exc_info=error)
    return LoadFailed(f"{type(error).__name__}: {error}")
