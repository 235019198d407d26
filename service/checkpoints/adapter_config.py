"""`adapter_config.json` as PEFT writes it: what of a LoRA adapter can be computed here, and with which numbers.

Whatever is set and would change the result in another way is refused, also settings that nobody here has heard of.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from service.checkpoints.errors import CheckpointError
from service.checkpoints.files import read_json

_T = TypeVar("_T")

CONFIG = "adapter_config.json"
MAX_RANK = 256
MAX_CONFIG_BYTES = 1 << 20

_ALL_LINEAR = "all-linear"

_READ = {
    *("peft_type", "r", "lora_alpha", "use_rslora", "target_modules", "exclude_modules", "rank_pattern"),
    *("alpha_pattern", "layers_to_transform", "layers_pattern", "bias", "init_lora_weights", "model_type"),
}

_WITHOUT_EFFECT = {
    # who wrote it, and what counts in training alone
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"),
    *("lora_dropout", "eva_config", "loftq_config", "runtime_config", "ensure_weight_tying"),
    # parts of what is refused where it is used
    *("megatron_core", "qalora_group_size"),
}

_REFUSED = {
    "use_dora": "DoRA, which scales whole weights",
    "modules_to_save": "modules_to_save, whole layers that take the place of the model's",
    "trainable_token_indices": "embeddings of its own (trainable_token_indices)",
    "layer_replication": "layers that stand several times in its model (layer_replication)",
    "lora_bias": "biases of its low-rank matrices (lora_bias)",
    "fan_in_fan_out": "layers whose weights are transposed (fan_in_fan_out)",
    "target_parameters": "single parameters as targets (target_parameters), such as experts'",
    "alora_invocation_tokens": "activated LoRA (alora_invocation_tokens)",
    "use_qalora": "QALoRA (use_qalora)",
}

_PLAIN_STARTS = (None, True, False, "gaussian", "eva", "orthogonal")
"""Values of `init_lora_weights` that leave the model's own weights as they are; others change those in training."""


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The numbers of a LoRA adapter (Hu et al., arXiv:2106.09685), and which layers it is for.

    Attributes:
        rank, alpha: Of layers that no pattern names.
        is_rank_stabilized: Whether the product is scaled by alpha / sqrt(rank) and not alpha / rank.
        targets: Names or endings of names of layers, or one regular expression, or "all-linear".
        excluded: Which of them are left out, in the same two forms.
        ranks, alphas: Those of single layers, by regular expressions of their names.
        layers: The numbers of the only decoder layers that it is for; none for all.
        layers_patterns: What stands before these numbers in a layer's name; none for anything.
        base: What its model was called where it was made; empty if that is not told.
        model_type: The type of that model; empty if that is not told.
    """

    rank: int
    alpha: float
    is_rank_stabilized: bool
    targets: str | tuple[str, ...]
    excluded: str | tuple[str, ...] = ()
    ranks: Mapping[str, int] | None = None
    alphas: Mapping[str, float] | None = None
    layers: tuple[int, ...] = ()
    layers_patterns: tuple[str, ...] = ()
    base: str = ""
    model_type: str = ""

    def is_target(self, name: str) -> bool:
        """Tells if the adapter is for a linear layer; "all-linear" is for each, and the head is not asked about."""
        if _names(self.excluded, name):
            return False
        if isinstance(self.targets, str):
            return self.targets == _ALL_LINEAR or re.fullmatch(self.targets, name) is not None
        return _names(self.targets, name) and (name in self.targets or self._is_in_layer(name))

    def rank_of(self, name: str) -> int:
        """The rank of a layer's matrices."""
        return _by_pattern(self.ranks or {}, name, self.rank)

    def scaling_of(self, name: str) -> float:
        """What a layer's low-rank product is multiplied by."""
        alpha, rank = _by_pattern(self.alphas or {}, name, self.alpha), self.rank_of(name)
        return alpha / math.sqrt(rank) if self.is_rank_stabilized else alpha / rank

    def _is_in_layer(self, name: str) -> bool:
        if not self.layers:
            return True
        patterns = self.layers_patterns or (r"[^.]*",)
        found = next(filter(None, (re.match(rf"(?:^|.*?\.){it}\.(?P<idx>\d+)\.", name) for it in patterns)), None)
        return found is not None and int(found["idx"]) in self.layers


def read_adapter_config(folder: Path) -> AdapterConfig:
    """Reads an adapter's config.

    Raises:
        CheckpointError: It is not there or no LoRA's, or asks for what is not done here.
    """
    settings = _read_settings(folder / CONFIG)
    if settings.get("peft_type") != "LORA":
        raise CheckpointError(f"{CONFIG} has peft_type {settings.get('peft_type')!r}; only LORA is known here")
    _refuse_others(settings)
    try:
        config = _to_config(settings)
        _check(config)
    except (TypeError, ValueError, AttributeError, re.error) as error:
        raise CheckpointError(f"{CONFIG} can't be used: {error}") from error
    return config


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, MAX_CONFIG_BYTES)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not there: an adapter is a folder as PEFT saves it") from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error


def _refuse_others(settings: dict[str, Any]) -> None:
    """Refuses what is set and not done here."""
    for name, what in _REFUSED.items():
        if settings.get(name):
            raise CheckpointError(f"it has {what}, which is not done here: train it without, or merge it into its base")
    if (bias := settings.get("bias", "none")) != "none":
        raise CheckpointError(f'it has biases (bias = "{bias}"), which are not done here: train it with bias="none"')
    if (start := settings.get("init_lora_weights")) not in _PLAIN_STARTS:
        raise CheckpointError(
            f"its training began with {start!r} (init_lora_weights), which changes the weights of the base: save it "
            "with PEFT's path_initial_model_for_weight_conversion, which makes it a plain one"
        )
    if unknown := sorted(name for name, value in settings.items() if value and name not in _READ | _WITHOUT_EFFECT):
        raise CheckpointError(f"{CONFIG} sets {unknown[0]}, which is not known here: remove it if it has no effect")


def _to_config(settings: dict[str, Any]) -> AdapterConfig:
    targets = settings["target_modules"] if settings.get("target_modules") else None
    if targets is None:
        raise ValueError("target_modules is missing: which layers it is for must be told")
    return AdapterConfig(
        rank=_rank(settings.get("r", 8)),
        alpha=_alpha(settings.get("lora_alpha", 8)),
        is_rank_stabilized=bool(settings.get("use_rslora")),
        targets=_ALL_LINEAR if str(targets).lower() == _ALL_LINEAR else _pattern_or_names(targets),
        excluded=_pattern_or_names(settings.get("exclude_modules") or []),
        ranks={str(key): _rank(value) for key, value in (settings.get("rank_pattern") or {}).items()},
        alphas={str(key): _alpha(value) for key, value in (settings.get("alpha_pattern") or {}).items()},
        layers=_layers(settings.get("layers_to_transform")),
        layers_patterns=_texts(settings.get("layers_pattern") or []),
        base=str(settings.get("base_model_name_or_path") or ""),
        model_type=str(settings.get("model_type") or ""),
    )


def _check(config: AdapterConfig) -> None:
    """Uses each pattern once: one that is no regular expression is told now."""
    config.is_target("layers.0.x")
    config.scaling_of("layers.0.x")


def _rank(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_RANK:
        raise ValueError(f"a rank is {value!r}; it may be 1 to {MAX_RANK}")
    return value


def _alpha(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"an alpha is {value!r}; it must be a number")
    return float(value)


def _layers(value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(number) is int for number in numbers):
        raise ValueError(f"layers_to_transform is {value!r}; it must have numbers of layers")
    return tuple(numbers)


def _pattern_or_names(value: object) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{value!r} must be a text or a list of texts")
    return tuple(texts)


def _names(wanted: str | tuple[str, ...], name: str) -> bool:
    """Tells if a layer is named: by a regular expression, or by its name or the end of that."""
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return any(name == each or name.endswith(f".{each}") for each in wanted)


def _by_pattern(patterns: Mapping[str, _T], name: str, otherwise: _T) -> _T:
    """The value of the first pattern that a layer's name ends with."""
    found = (value for pattern, value in patterns.items() if re.match(rf"(.*\.)?({pattern})$", name))
    return next(found, otherwise)
