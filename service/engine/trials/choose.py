"""The choices of an engine: from the disk if they were made before, else by trials that are then kept there."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import is_gguf
from service.checkpoints.memory import read_config
from service.engine.device import is_cpu
from service.engine.native.library import native_library
from service.engine.progress import tell_progress
from service.engine.trials.accelerations import RUNNER_PROGRAM, choose_accelerations
from service.engine.trials.cpu import CPU_PROGRAM, CpuModel, choose_on_cpu, thread_counts
from service.engine.trials.kept import Facts, KeptChoices, default_folder
from service.engine.trials.machine import machine_facts, num_cores, num_physical_cores
from service.engine.trials.questions import TrialLimits, Trials
from service.engine.trials.shapes import matrices_of, num_layers_of, num_weights
from service.engine_protocol.choices import Choices, table
from service.engine_protocol.engine_config import EngineConfig

_log = logging.getLogger(__name__)

CPU_LIMITS: Final = TrialLimits(each_s=15.0, all_s=20.0)
"""Usual are three to six seconds together. A start waits for at most the sum of the two."""

RUNNER_LIMITS: Final = TrialLimits(each_s=75.0, all_s=105.0)
"""Three minutes at most. Nothing of this was measured on a GPU."""

_NO_DTYPE: Final = "float32"


@dataclass(frozen=True, slots=True)
class TrialSetting:
    """The settings of choices.

    Attributes:
        folder: Where they are kept; None for the user's cache.
        cpu_limits: How long trials on the CPU may take.
        cpu_program: What answers there; see `Trials`.
        runner_limits, runner_program: The same on a CUDA device.
        min_weights: A model with fewer weights is quick enough on a CPU by the default ways: nothing is tried for it.
    """

    folder: Path | None = None
    cpu_limits: TrialLimits = CPU_LIMITS
    cpu_program: Path = CPU_PROGRAM
    runner_limits: TrialLimits = RUNNER_LIMITS
    runner_program: Path = RUNNER_PROGRAM
    min_weights: int = 1 << 24


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
    if not config.has_trials or config.other_devices:
        return Choices()
    kept = KeptChoices(setting.folder or default_folder(os.environ))
    try:
        told = read_config(config.checkpoint)
        if is_cpu(torch.device(config.device)):
            model = _cpu_model(config, told, num_threads)
            if not again and num_weights(model.matrices) < setting.min_weights:
                return Choices()
            choice = _choice_on_cpu(model, config, setting)
        elif config.is_accelerated_by_trial:
            choice = _choice_of_accelerations(config, told, setting)
        else:
            return Choices()
        return (None if again else kept.read(choice.facts)) or _try(kept, choice, again)
    except (AssertionError, CheckpointError, OSError, RuntimeError, TypeError, ValueError) as error:
        _log.warning("nothing is tried, and the default ways are used: %s", error)
        return Choices()


def log_choices(choices: Choices) -> None:
    """Writes a table of what was tried and is used, if anything was."""
    for line in table(choices.tried) if choices.tried else ():
        _log.info("%s", line)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The ways to choose from.

    Attributes:
        facts: What it depends on.
        program, limits: See `Trials`.
        choose: Asks and decides.
        prepare: Does before it what may take its time.
    """

    facts: Facts
    program: Path
    limits: TrialLimits
    choose: Callable[[Trials], Choices]
    prepare: Callable[[], object] = lambda: None


def _try(kept: KeptChoices, choice: _Choice, again: bool) -> Choices:
    """Tries, unless another process has done so meanwhile, and keeps what comes of it."""
    with kept.alone():
        if not again and (found := kept.read(choice.facts)):
            return found
        choice.prepare()
        started_s = time.monotonic()
        with Trials(choice.program, choice.limits, _tell) as trials:
            choices = choice.choose(trials)
        took_s = time.monotonic() - started_s
        _log.info("ways to compute were tried for %.1f s, once for this model and machine", took_s)
        kept.write(choice.facts, choices)
    return choices


def _tell(done: int, total: int) -> None:
    tell_progress("trying ways to compute", done, total)


def _choice_on_cpu(model: CpuModel, config: EngineConfig, setting: TrialSetting) -> _Choice:
    facts = {
        **machine_facts(config.device),
        "matrices": model.matrices,
        "dtype": model.dtype,
        "quantization": config.quantization,
        "activation_dtype": config.activation_dtype,
        "is_plain": model.is_plain,
        "threads": [model.num_threads, *model.thread_counts],
    }

    def choose(trials: Trials) -> Choices:
        return choose_on_cpu(model, trials)

    return _Choice(facts, setting.cpu_program, setting.cpu_limits, choose, native_library)


def _cpu_model(config: EngineConfig, told: Mapping[str, Any], num_threads: int) -> CpuModel:
    stored = told.get("dtype") or told.get("torch_dtype") or _NO_DTYPE
    dtype = stored if config.dtype == "auto" else config.dtype
    counts = () if config.num_threads else thread_counts(num_cores(), num_physical_cores())
    return CpuModel(tuple(matrices_of(told)), str(dtype), not _is_quantized(config, told), num_threads, counts)


def _choice_of_accelerations(config: EngineConfig, told: Mapping[str, Any], setting: TrialSetting) -> _Choice:
    is_quantized = _is_quantized(config, told)
    facts = {
        **machine_facts(config.device),
        "config": hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest(),
        "dtype": config.dtype,
        "quantization": config.quantization,
        "bounds": [config.max_num_seqs, config.max_num_batched_tokens],
    }

    def choose(trials: Trials) -> Choices:
        return choose_accelerations(config, is_quantized, trials, num_layers_of(told))

    return _Choice(facts, setting.runner_program, setting.runner_limits, choose)


def _is_quantized(config: EngineConfig, told: Mapping[str, Any]) -> bool:
    is_told = any(map(told.get, ("quantization_config", "compression_config")))
    return is_told or bool(config.quantization) or is_gguf(config.checkpoint)
