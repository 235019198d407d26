"""Cosines and sines of positions, computed once by a model's own module and kept."""

from typing import Any

import torch

from service.engine.forward.long_rope import LongRope
from service.engine.scheduling.sequence import LONG_POSITIONS

_LEAST_POSITIONS = 1024


class RotaryTable:
    """The factors of a rotary embedding for each position, in float32.

    Args:
        rotary: The module of the model's class, or `LongRope`.
        device: Where it computes.

    Attributes:
        half: How many pairs of a head's numbers are rotated.
    """

    def __init__(self, rotary: Any, device: torch.device) -> None:
        self._rotary, self._device = rotary, device
        self._has_long = isinstance(rotary, LongRope)
        self.half = self._made(1, 0).shape[2]
        self._short = torch.empty((0, 2, self.half))
        self._long: torch.Tensor | None = None

    def rows(self, positions: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A table and the rows of it that positions have.

        Args:
            positions: int64 [T], from `LONG_POSITIONS` on of long sequences.
            length: More than any of them is, but for that offset.

        Returns:
            Cosines, then sines, [rows, 2, half]; and int64 [T].
        """
        if length > self._short.shape[0]:
            self._short, self._long = self._made(max(_LEAST_POSITIONS, _rounded_up(length)), 0), None
        if not self._has_long:
            return self._short, positions
        is_long = positions >= LONG_POSITIONS
        if not is_long.any():
            return self._short, positions
        num_short = self._short.shape[0]
        if self._long is None:
            self._long = torch.cat((self._short, self._made(num_short, LONG_POSITIONS)))
        return self._long, torch.where(is_long, positions - (LONG_POSITIONS - num_short), positions)

    def _made(self, count: int, offset: int) -> torch.Tensor:
        positions = torch.arange(offset, offset + count, device=self._device)
        like = torch.empty(0, dtype=torch.float32, device=self._device)  # whose dtype it computes in
        parts = [part[0].float().chunk(2, dim=-1) for part in self._rotary(like, position_ids=positions[None])]
        if not all(torch.equal(*halves) for halves in parts):
            raise ValueError("the halves of a head are rotated differently")
        return torch.stack([halves[0] for halves in parts], dim=1).contiguous()


def _rounded_up(length: int) -> int:
    """The next power of two."""
    return 1 << (length - 1).bit_length()
