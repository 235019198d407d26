"""Drafts for sequences of which it is known what they sample."""

import random
from collections.abc import Callable
from typing import Any, cast

from service.engine.scheduling.block_pool import BlockPool
from service.engine.scheduling.drafter import Drafter
from service.engine.scheduling.scheduled import ScheduledSequence


class SomeRight(Drafter):
    """Drafts of which nine tokens of ten come, as far as there is room.

    Args:
        token_at: What sequences sample for each place.
        seed: Decides how long drafts are and which of their tokens are wrong.
    """

    def __init__(self, token_at: Callable[[int], int], seed: int) -> None:
        super().__init__(row_cost=0.01)
        self._token_at, self._random = token_at, random.Random(seed)

    def add_drafts(self, scheduled: list[ScheduledSequence], pool: BlockPool, budget: int) -> None:
        for item in scheduled:
            sequence = item.sequence
            if item.num_tokens == 1 and item.is_last_chunk:
                right = [self._token_at(place) for place in range(item.end, item.end + self._random.randrange(40))]
                sequence.lookup = cast(Any, Known([it if self._random.random() < 0.9 else 7 for it in right]))
        super().add_drafts(scheduled, pool, budget)


class Known:
    """Predicts what it is told."""

    def __init__(self, token_ids: list[int]) -> None:
        self._token_ids = token_ids
        self.acceptance_rate = 0.9 if token_ids else 0.0

    def catch_up(self) -> None: ...

    def predict(self, num_tokens: int) -> list[int]:
        return self._token_ids[:num_tokens]
