"""Lets transformers load a GGUF file as if its tensors were those of a checkpoint of its own.

Its own loader unpacks all weights, in float32 first, and takes neither the sizes of a head nor how positions are scaled
from the file. Here matrices that have a packed form stay mapped as they are until their layer is made of them, and the
others are unpacked one by one.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from service.checkpoints.errors import CheckpointError
from service.checkpoints.gguf import GgufTensor, Kind, read_gguf
from service.checkpoints.gguf_weights import GgufWeight, gguf_weights
from service.engine.weights.gguf_layers import GgufLayer

_NAME = "runstream_gguf"
_PIECE_ELEMENTS = 4 << 20
_PLAIN = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@register_quantization_config(_NAME)
class GgufConfig(QuantizationConfigMixin):
    """The config that transformers hands to `GgufLoader`.

    Args:
        packed: The kinds of the matrices that stay packed, by the names of their layers.

    Attributes:
        quant_method: This name.
    """

    quant_method = _NAME  # type: ignore[assignment]  # transformers' enum has only its own

    def __init__(self, packed: dict[str, Kind], **named: str) -> None:
        self.packed = packed


@register_quantizer(_NAME)
class GgufLoader(HfQuantizer):
    """Puts places for packed matrices into a model that has no memory yet."""

    quantization_config: GgufConfig

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> None:
        with torch.device("meta"):
            for name, kind in self.quantization_config.packed.items():
                linear = dict(model.named_modules()).get(name)
                if not isinstance(linear, nn.Linear):
                    raise CheckpointError(f"{model.config.model_type} has no linear {name} for a packed matrix")
                model.set_submodule(name, GgufLayer(linear, kind))
        self._shapes = {name: _weight_of(model, name).shape for name in self.quantization_config.packed}

    def _process_model_after_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> PreTrainedModel:
        # transformers 5.17 compares no shapes where a quantizer is at work.
        wrong = [name for name, shape in self._shapes.items() if _weight_of(model, name).shape != shape]
        if wrong:
            raise CheckpointError(f"weights of {len(wrong)} layers have another shape than its config says: {wrong[0]}")
        return model

    def param_needs_quantization(self, model: PreTrainedModel, param_name: str, **kwargs: Any) -> bool:
        return False

    def is_serializable(self) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return False


class StoredTensor:
    """A tensor of a file that is read when it is sliced, as transformers does with those of safetensors.

    Args:
        read: Reads it.
    """

    def __init__(self, read: Callable[[], torch.Tensor]) -> None:
        self._read = read

    def __getitem__(self, place: Any) -> torch.Tensor:
        return self._read()[place]


def gguf_arguments(checkpoint: Path, config: Any, dtype: torch.dtype) -> dict[str, Any]:
    """The arguments with which transformers loads a file.

    Args:
        checkpoint: The file.
        config: Its config.
        dtype: What weights that don't stay packed are unpacked to.

    Raises:
        CheckpointError: It is not whole, or has what nobody knows.
        OSError: It can't be read.
    """
    weights = gguf_weights(read_gguf(checkpoint)).values()
    # Copy on write, because torch warns of tensors that can't be written.
    data = np.memmap(checkpoint, np.uint8, "c")
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}

    def stored(weight: GgufWeight) -> StoredTensor:
        num_heads = heads.get(weight.name.split(".")[-2], 0) if weight.has_pairs else 0
        return StoredTensor(lambda: _read(data, weight, dtype, num_heads))

    packed = {weight.name.removesuffix(".weight"): weight.tensor.kind for weight in weights if weight.is_packed}
    return {
        "state_dict": {weight.name: stored(weight) for weight in weights},
        **({"quantization_config": GgufConfig(packed)} if packed else {}),
    }


def _read(data: np.ndarray, weight: GgufWeight, dtype: torch.dtype, num_heads: int) -> torch.Tensor:
    """A weight as the class has it; blocks if it stays packed."""
    tensor = weight.tensor
    found = torch.from_numpy(data[tensor.start : tensor.start + tensor.num_bytes])
    if weight.is_packed:
        found = found.view(tensor.shape[0], -1)
    elif tensor.kind.name in _PLAIN:
        found = _aligned(found).view(_PLAIN[tensor.kind.name]).view(tensor.shape)
    else:
        found = _unpacked(found, tensor, dtype)
    if num_heads:  # from pairs side by side to halves
        found = found.view(num_heads, -1, 2, *found.shape[1:]).transpose(1, 2).reshape(found.shape)
    return (found.float() - 1).to(found.dtype) if weight.is_more_by_one else found


def _aligned(raw: torch.Tensor) -> torch.Tensor:
    """Bytes that may be seen as numbers; a file whose alignment is small may have them anywhere."""
    return raw if raw.data_ptr() % 4 == 0 else raw.clone()


def _unpacked(raw: torch.Tensor, tensor: GgufTensor, dtype: torch.dtype) -> torch.Tensor:
    """A matrix in plain numbers, unpacked in pieces, for each is in float32 for a moment.

    Raises:
        CheckpointError: The gguf package is not there. A bare image for engines may do without it.
    """
    try:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize
    except ImportError as error:
        raise CheckpointError("unpacking weights of GGUF files takes the gguf package: pip install gguf") from error
    rows = raw.view(math.prod(tensor.shape[:-1]), -1).numpy()
    plain = torch.empty((rows.shape[0], tensor.shape[-1]), dtype=dtype)
    kind = GGMLQuantizationType[tensor.kind.name]
    num_rows = max(1, _PIECE_ELEMENTS // tensor.shape[-1])
    for start in range(0, rows.shape[0], num_rows):
        piece = slice(start, start + num_rows)
        plain[piece] = torch.from_numpy(dequantize(rows[piece], kind))
    return plain.view(tensor.shape)


def _weight_of(model: PreTrainedModel, name: str) -> torch.Tensor:
    layer = model.get_submodule(name)
    assert isinstance(layer, GgufLayer)
    return layer.weight
