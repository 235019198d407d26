"""The adapter of each row of a step."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from service.engine.device import to_device

TILE_ROWS = 16
"""The rows of one adapter that a program of the kernel multiplies: the fewest that tensor cores take."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """The rows of a step in tiles, each of one adapter.

    Attributes:
        rows: Places of rows, -1 where a tile is not full, int32 [tiles, TILE_ROWS].
        adapters: Which adapter each tile's rows use, int32 [tiles].
    """

    rows: torch.Tensor
    adapters: torch.Tensor


@dataclass(frozen=True, slots=True)
class AdapterRows:
    """The rows of a step that use an adapter.

    Attributes:
        groups: Each adapter of the step with its rows' places, int64 [n]; None for all rows.
        tiles: The same for the kernel.
    """

    groups: tuple[tuple[int, torch.Tensor | None], ...]
    tiles: Tiles | None = None


class ActiveRows:
    """The rows of the step that is being computed, for the layers to see.

    Attributes:
        now: Those rows; None while a step without adapters is computed.
    """

    def __init__(self) -> None:
        self.now: AdapterRows | None = None

    @contextmanager
    def set_to(self, rows: AdapterRows) -> Iterator[None]:
        """Lets layers add what these rows' adapters give, within a `with`."""
        self.now = rows
        try:
            yield
        finally:
            self.now = None


def adapter_rows(
    sequences: Iterable[tuple[int | None, int]], device: torch.device, has_tiles: bool
) -> AdapterRows | None:
    """Groups the rows of a step by adapter.

    Args:
        sequences: The adapter of each sequence, or None, and how many rows it has, in the order of the rows.
        device: Where the step is computed.
        has_tiles: Whether the kernel is used.

    Returns:
        None if no row uses any.
    """
    places: dict[int | None, list[int]] = {}
    start = 0
    for adapter, count in sequences:
        places.setdefault(adapter, []).extend(range(start, start + count))
        start += count
    is_alone = len(places) == 1
    places.pop(None, None)
    if not places:
        return None
    used = {adapter: rows for adapter, rows in places.items() if adapter is not None}
    if has_tiles:
        return AdapterRows((), _tiles(used, device))
    return AdapterRows(tuple((it, None if is_alone else to_device(rows, device)) for it, rows in used.items()))


def _tiles(places: dict[int, list[int]], device: torch.device) -> Tiles:
    tiles = [
        (adapter, rows[start : start + TILE_ROWS])
        for adapter, rows in places.items()
        for start in range(0, len(rows), TILE_ROWS)
    ]
    return Tiles(
        rows=to_device([[*rows, *[-1] * (TILE_ROWS - len(rows))] for _, rows in tiles], device, torch.int32),
        adapters=to_device([adapter for adapter, _ in tiles], device, torch.int32),
    )
