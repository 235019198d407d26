"""Weights of 8 bits as optimum-quanto makes and stores them.

quanto is loaded only where weights are quantized: what it stored is read without it.
"""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.core_model_loading import ConversionOps

STORED_NAMES = {"weight": ".weight._data", "scale": ".weight._scale"}
"""Names of the two tensors of `Int8Linear` in quanto's files."""

RENAMED = {r"\.weight\._data$": ".weight", r"\.weight\._scale$": ".scale"}
"""transformers' `key_mapping` from them."""

STORED_ONES = (".input_scale", ".output_scale")
"""Two more that quanto stores, both 1 where activations are not quantized. They are not read."""


def can_quantize() -> bool:
    """Tells if quanto is installed. A bare image for engines may do without it."""
    try:
        import optimum.quanto  # noqa: F401
    except ImportError:
        return False
    return True


def quantize_matrix(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Quantizes with optimum-quanto, symmetrically, by each output's largest weight.

    Args:
        weight: [outputs, inputs], in any floating dtype.

    Returns:
        Codes, int8 [outputs, inputs], and scales, [outputs, 1] of the weight's dtype.
    """
    from optimum.quanto import AbsmaxOptimizer, qint8, quantize_weight

    exact = weight.float()  # quotients of half precision would round to other codes
    scale = AbsmaxOptimizer()(exact, qtype=qint8, axis=0).to(weight.dtype)
    # A row of zeros would be divided by 0.
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    quantized = quantize_weight(exact, qtype=qint8, axis=0, scale=scale.float(), optimized=False)
    # quanto's public methods tell no codes. In its files they have this name too, so it can't change it lightly.
    return quantized._data, scale


def layers_to_quantize(model: PreTrainedModel) -> list[str]:
    """The names of all linear layers but the head, which decides between tokens and stays as it is."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return [name for name, module in model.named_modules() if type(module) is nn.Linear and module is not head]


class QuantizeAtLoad(ConversionOps):
    """Quantizes a matrix as it comes from the file, before the next one does."""

    def convert(  # type: ignore[override]  # transformers' own give tensors as well as lists of them
        self, input_dict: dict[str, Any], **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """One weight to codes and scales, named as the buffers of `Int8Linear`."""
        ((name, tensors),) = input_dict.items()
        weight = tensors[0] if isinstance(tensors, list) else tensors
        codes, scale = quantize_matrix(weight)
        return {name: codes, f"{name.removesuffix('weight')}scale": scale}
