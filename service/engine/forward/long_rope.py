"""Rotary embeddings that a model changes with its sequence's length: LongRoPE, which Phi-3 has (arXiv:2402.13753).

The frequencies are divided by the model's short factors up to the length that it was first trained for. In a longer
sequence they are divided by the long factors, at all positions. transformers' classes look at the longest sequence of a
batch. Here each token carries which it is: those of long sequences have positions from `LONG_POSITIONS` on, so a
neighbour changes nothing. A sequence that grows over the length is computed anew, as Phi-3's class in transformers has
it in `generate`.
"""

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from service.engine.scheduling.sequence import LONG_POSITIONS

LONG_ROPE = "longrope"


class LongRope(nn.Module):
    """Cosines and sines for positions of short and of long sequences in one row.

    Args:
        rotary: The class's own, whose factors are taken.
        switch: The most tokens of a short sequence.
    """

    def __init__(self, rotary: Any, switch: int) -> None:
        super().__init__()
        device = rotary.original_inv_freq.device
        long, self._scaling = ROPE_INIT_FUNCTIONS[LONG_ROPE](rotary.config, device, seq_len=switch + 1)
        self.register_buffer("_long", long, persistent=False)
        self.register_buffer("_short", rotary.original_inv_freq, persistent=False)

    @torch.no_grad()
    def forward(self, hidden: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines, [..., rotated size] of `hidden`'s dtype, for positions, int64 [...]."""
        is_long = position_ids >= LONG_POSITIONS
        positions = torch.where(is_long, position_ids - LONG_POSITIONS, position_ids)
        frequencies = torch.where(is_long[..., None], self.get_buffer("_long"), self.get_buffer("_short"))
        angles = (positions[..., None].float() * frequencies).repeat(*[1] * positions.dim(), 2)
        return tuple((it * self._scaling).to(hidden.dtype) for it in (angles.cos(), angles.sin()))  # type: ignore[return-value]


def rope_switch_of(model: PreTrainedModel) -> int:
    """The most tokens of a sequence that a model computes by its short factors; 0 if it has none."""
    parameters = getattr(model.config.get_text_config(), "rope_parameters", None)
    if not isinstance(parameters, dict) or parameters.get("rope_type") != LONG_ROPE or not _rotaries(model):
        return 0
    return int(parameters["original_max_position_embeddings"])


def use_long_rope(model: PreTrainedModel) -> int:
    """Exchanges a model's rotary embeddings if they are of this kind; the same number as `rope_switch_of`."""
    switch = rope_switch_of(model)
    if switch:
        for name in _rotaries(model):
            model.set_submodule(name, LongRope(model.get_submodule(name), switch))
    return switch


def _rotaries(model: PreTrainedModel) -> list[str]:
    return [name for name, module in model.named_modules() if getattr(module, "rope_type", None) == LONG_ROPE]
