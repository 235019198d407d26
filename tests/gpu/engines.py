"""Small random models whose heads are as large as real ones', and engines on them."""

import copy
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from service.engine.acceleration import Acceleration
from service.engine.decode_graphs import Capture
from service.engine.engine import Engine
from service.engine.messages import EngineConfig
from tests.checkpoints import tiny_model

FAMILIES = ("llama", "mistral")
"""With query heads that share keys, and with a sliding window too."""

_SIZES: dict[str, Any] = {"hidden_size": 256, "head_dim": 64, "max_position_embeddings": 512}


def small_model(family: str, device: str, dtype: torch.dtype = torch.float32, **changes: Any) -> PreTrainedModel:
    """The same weights in each process; `changes` are to its config."""
    model: Any = tiny_model(family, **_SIZES | changes)
    model.train(mode=False)
    moved: PreTrainedModel = model.to(device, dtype)
    return moved


def make_engine(
    model: PreTrainedModel,
    accelerations: frozenset[Acceleration],
    num_blocks: int = 512,
    max_num_seqs: int = 64,
    capture: Capture | None = None,
) -> Engine:
    """An engine that leaves `model` as it is."""
    config = EngineConfig(Path("unused"), str(model.device), max_num_seqs=max_num_seqs, accelerations=accelerations)
    return Engine(copy.deepcopy(model), config, num_blocks, capture=capture)
