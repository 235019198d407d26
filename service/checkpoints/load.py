"""A checkpoint's weights, as one of transformers' model classes on a device."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel


def load_model(checkpoint: Path, device: str, dtype: str) -> PreTrainedModel:
    """Loads a checkpoint from a folder, never from the network.

    Args:
        checkpoint: A folder with config.json and *.safetensors.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: The name of a torch dtype, or "auto" for the one that the checkpoint is stored in.

    Raises:
        OSError: The folder is not there or is not a checkpoint. A pickle is not taken for one: it can run code.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        checkpoint,
        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    model.to(device)  # type: ignore[arg-type]  # transformers wraps Module.to without its overloads
    model.train(mode=False)
    return model
