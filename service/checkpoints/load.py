"""A checkpoint's weights, as one of transformers' model classes on a device."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from service.checkpoints.placing import conversion_shown, place


class CheckpointError(ValueError):
    """A checkpoint's weights are not those of the model that its config describes, and why."""


def load_model(checkpoint: Path, device: str, dtype: str) -> PreTrainedModel:
    """Loads a checkpoint from a folder, never from the network.

    Args:
        checkpoint: A folder with config.json and *.safetensors.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: The name of a torch dtype, or "auto" for the one that the checkpoint is stored in.

    Raises:
        OSError: The folder is not there or is not a checkpoint. A pickle is not taken for one: it can run code.
        CheckpointError: Weights are missing, or there are some that the model would not use, or the config is wrong.
        ValueError: transformers has no decoder of this type.
    """
    try:
        with conversion_shown(checkpoint):
            model, found = _load(checkpoint, dtype)
    except KeyError as error:
        # How transformers tells that it does not know a rope type or an activation, or misses one's parameters.
        raise CheckpointError(f"{checkpoint / 'config.json'} can't be used: {error}") from error
    _check_weights(model, found)
    place(model, device)
    model.train(mode=False)
    return model


def _load(checkpoint: Path, dtype: str) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model, and what was found of its weights."""
    config = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    if config.is_encoder_decoder:
        raise CheckpointError(f"models of type {config.model_type} have an encoder, and only decoders are served")
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint,
        config=config,
        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # reported below, by name
        output_loading_info=True,
    )
    model, found = loaded
    return model, found


def _check_weights(model: PreTrainedModel, found: dict[str, Any]) -> None:
    """Refuses what transformers only logs: it draws missing weights at random and leaves out those it has no place for.

    Weights of whole parts that the class does not have, such as a second head, change nothing and may stay.
    """
    parts = {name for name, _ in model.named_modules()}
    unused = {name for name in found["unexpected_keys"] if name.rpartition(".")[0] in parts}
    for weights, reason in (
        (found["missing_keys"], "are missing"),
        ({name for name, *_ in found["mismatched_keys"]}, "have another shape than its config says"),
        (unused, "would not be used"),
    ):
        if weights:
            shown = ", ".join(sorted(weights)[:3])
            raise CheckpointError(f"{len(weights)} weights of the {model.config.model_type} model {reason}: {shown}")
