"""The choices of an engine: from the disk if they were made before, else by trials that are then kept there."""

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from service.checkpoints.errors import CheckpointError
from service.checkpoints.memory import read_config
from service.engine.device import is_cpu
from service.engine.native.library import native_library
from service.engine.progress import tell_progress
from service.engine.trials.cpu import CPU_PROGRAM, CpuModel, choose_on_cpu, thread_counts
from service.engine.trials.kept import Facts, KeptChoices, default_folder
from service.engine.trials.machine import machine_facts, num_cores, num_physical_cores
from service.engine.trials.questions import TrialLimits, Trials
from service.engine.trials.shapes import matrices_of
from service.engine_protocol.choices import Choices, table
from service.engine_protocol.engine_config import EngineConfig

_log = logging.getLogger(__name__)

CPU_LIMITS: Final = TrialLimits(each_s=15.0, all_s=20.0)
"""Usual are three to six seconds together. A start waits for at most the sum of the two."""

_NO_DTYPE: Final = "float32"


@dataclass(frozen=True, slots=True)
class TrialSetting:
    """How choices are made.

    Attributes:
        folder: Where they are kept; None for the user's cache.
        cpu_limits: How long trials on the CPU may take.
        cpu_program: What answers there; see `Trials`.
    """

    folder: Path | None = None
    cpu_limits: TrialLimits = CPU_LIMITS
    cpu_program: Path = CPU_PROGRAM


DEFAULT_SETTING: Final = TrialSetting()


def choices_for(
    config: EngineConfig, num_threads: int, *, again: bool = False, setting: TrialSetting = DEFAULT_SETTING
) -> Choices:
    """The choices of an engine that may try; nothing is chosen where it may not, or where anything is odd.

    Args:
        config: The engine's.
        num_threads: How many CPU threads it has by default.
        again: Whether to try although that was done before.
        setting: How.
    """
    if not config.has_trials or config.other_devices or not is_cpu(torch.device(config.device)):
        return Choices()
    kept = KeptChoices(setting.folder or default_folder(os.environ))
    try:
        model = _cpu_model(config, num_threads)
        facts = _facts(config, model)
        choices = (None if again else kept.read(facts)) or _try(kept, facts, model, again, setting)
    except (CheckpointError, OSError, TypeError, ValueError) as error:
        _log.warning("nothing is tried, and the default ways are used: %s", error)
        return Choices()
    return choices


def log_choices(choices: Choices) -> None:
    """Writes a table of what was tried and is used, if anything was."""
    for line in table(choices.tried) if choices.tried else ():
        _log.info("%s", line)


def _try(kept: KeptChoices, facts: Facts, model: CpuModel, again: bool, setting: TrialSetting) -> Choices:
    """Tries, unless another process has done so meanwhile, and keeps what comes of it."""
    with kept.alone():
        if not again and (found := kept.read(facts)):
            return found
        native_library()  # compiled here, where that may take its time
        started_s = time.monotonic()
        with Trials(setting.cpu_program, setting.cpu_limits, _tell) as trials:
            choices = choose_on_cpu(model, trials)
        took_s = time.monotonic() - started_s
        _log.info("ways to compute were tried for %.1f s, once for this model and machine", took_s)
        kept.write(facts, choices)
    return choices


def _tell(done: int, total: int) -> None:
    tell_progress("trying ways to compute", done, total)


def _cpu_model(config: EngineConfig, num_threads: int) -> CpuModel:
    told = read_config(config.checkpoint)
    stored = told.get("dtype") or told.get("torch_dtype") or _NO_DTYPE
    dtype = stored if config.dtype == "auto" else config.dtype
    is_plain = not config.quantization and not any(map(told.get, ("quantization_config", "compression_config")))
    counts = () if config.num_threads else thread_counts(num_cores(), num_physical_cores())
    return CpuModel(tuple(matrices_of(told)), str(dtype), is_plain, num_threads, counts)


def _facts(config: EngineConfig, model: CpuModel) -> dict[str, Any]:
    return {
        **machine_facts(config.device),
        "matrices": model.matrices,
        "dtype": model.dtype,
        "quantization": config.quantization,
        "is_plain": model.is_plain,
        "threads": [model.num_threads, *model.thread_counts],
    }
