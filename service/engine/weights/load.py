"""A checkpoint's weights, as one of transformers' model classes on a device."""

from collections.abc import Set
from pathlib import Path
from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM, PreTrainedModel
from transformers.initialization import no_init_weights

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import is_gguf
from service.checkpoints.headers import read_weights
from service.checkpoints.quantization import Quantization, read_quantization
from service.engine.sharding.layers import Ranks
from service.engine.sharding.shard import shard_model
from service.engine.weights.gguf_loading import gguf_arguments
from service.engine.weights.int8 import RENAMED, can_quantize
from service.engine.weights.model_config import check_sizes, config_of_weights, read_model_config, shorten
from service.engine.weights.packed_loading import PackedConfig, unpack_layers, unpack_plain_layers
from service.engine.weights.placing import conversion_shown, place
from service.engine.weights.stored_weights import RENAMED_PARTS
from service.engine_protocol.acceleration import Acceleration


def load_model(
    checkpoint: Path,
    device: str,
    dtype: str,
    quantization: str = "",
    ranks: Ranks | None = None,
    accelerations: Set[Acceleration] = frozenset(),
    num_layers: int = 0,
) -> PreTrainedModel:
    """Loads a checkpoint from a folder or file, never from the network. Quantized weights stay packed in memory.

    Args:
        checkpoint: A folder with config.json and *.safetensors, or a GGUF file.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: The name of a torch dtype, or "auto" for the one that the checkpoint is stored in.
        quantization: "int8", "awq" or "gptq", as the catalog has it; empty for whatever the checkpoint has. "int8"
            quantizes plain weights.
        ranks: Who shares the model, of which this process then has a shard; None if nobody does.
        accelerations: The ways to be faster that are used.
        num_layers: How many of its layers are loaded, the first ones; 0 for all.

    Raises:
        OSError: The folder is not there or is not a checkpoint. A pickle is not taken for one: it can run code.
        CheckpointError: Weights are missing, or there are some that the model would not use, or the config is wrong.
        UnsupportedModelError: It can't be shared by so many ranks.
        ValueError: The model is no decoder.
    """
    try:
        # Before there are weights torch would fill their places with random numbers, in Python, and load sympy for it.
        with conversion_shown(checkpoint), no_init_weights():
            model, found = _load(checkpoint, dtype, quantization, num_layers)
    except KeyError as error:
        # How transformers tells that it misses a parameter of a rope type.
        raise CheckpointError(f"{checkpoint / 'config.json'} can't be used: it does not tell {error}") from error
    _check_weights(model, found)
    if ranks is not None:
        unpack_plain_layers(model)
        shard_model(model, ranks)
    place(model, device)
    unpack_layers(model, accelerations)
    model.train(mode=False)
    return model


def _load(checkpoint: Path, dtype: str, wanted: str, num_layers: int) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model, and what was found of its weights."""
    config = read_model_config(checkpoint)
    if num_layers:
        shorten(config, num_layers)
    check_sizes(config, read_weights(checkpoint))
    if config.is_encoder_decoder:
        raise CheckpointError(f"models of type {config.model_type} have an encoder, and only decoders are served")
    quantization = read_quantization(checkpoint, config_of_weights(config), wanted)
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # transformers would load by it
    arguments = {
        "config": config,
        "local_files_only": True,
        "ignore_mismatched_sizes": True,  # reported below, by name
        "output_loading_info": True,
        **_quantized(config, quantization),
    }
    if is_gguf(checkpoint):
        return _load_gguf(checkpoint, config.dtype if dtype == "auto" else getattr(torch, dtype), arguments)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        checkpoint,
        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        trust_remote_code=False,
        use_safetensors=True,
        **arguments,
    )
    model, found = loaded
    return model, found


def _load_gguf(
    checkpoint: Path, dtype: torch.dtype, arguments: dict[str, Any]
) -> tuple[PreTrainedModel, dict[str, Any]]:
    tensors = gguf_arguments(checkpoint, arguments["config"], dtype)
    if tensors.keys() & arguments.keys():
        raise CheckpointError(f"the weights of {checkpoint} are quantized already: leave quantization out")
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(arguments["config"])]
    model, found = model_class.from_pretrained(None, dtype=dtype, **tensors, **arguments)
    return model, found


def _quantized(config: Any, quantization: Quantization | None) -> dict[str, Any]:
    """Arguments that make transformers load packed weights our way; changes the config."""
    if quantization is None:
        return {}
    if not quantization.is_stored:
        if not can_quantize():
            raise CheckpointError(
                "weights are quantized by optimum-quanto, which is not installed: pip install optimum-quanto, or load "
                "a checkpoint that was quantized before"
            )
        return {"quantization_config": PackedConfig(quantization)}
    # It takes packed weights for such only if the config says so, and the config only in this form.
    config.quantization_config = {"quant_method": PackedConfig.quant_method, "quantization": quantization}
    if quantization.is_by_layer:
        return {"key_mapping": RENAMED_PARTS}
    return {"key_mapping": RENAMED} if quantization.method == "int8" else {}


def _check_weights(model: PreTrainedModel, found: dict[str, Any]) -> None:
    """Refuses what transformers only logs: missing weights become random, and those without a place are left out.

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
