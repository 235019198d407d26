"""Chooses one of several engines of one model for a request: who knows most of its prompt, or has least to do.

Only numbers: nothing here knows of processes. That two prefixes have one hash would send a request to an engine that
knows less of it than thought, and changes no token.
"""

from collections import OrderedDict
from collections.abc import Sequence

from service.engine_protocol.engine_config import BLOCK_SIZE

MAX_EXCESS = 8
"""The most requests that an engine may have beyond the least loaded one and be chosen for what it knows. A step takes
hardly longer for a few rows more, and a prefix that is found saves its prefill; reasoned, not measured."""

_MAX_PREFIXES = 1 << 16
"""The blocks of prompts that are remembered: a million tokens."""


class PrefixAffinity:
    """Remembers which engine was given which beginnings of prompts.

    Args:
        num_engines: How many there are.
        max_excess: See `MAX_EXCESS`.
        max_prefixes: How many blocks of prompts are remembered; those unused for longest are forgotten.
    """

    def __init__(self, num_engines: int, max_excess: int = MAX_EXCESS, max_prefixes: int = _MAX_PREFIXES) -> None:
        self._num_engines = num_engines
        self._max_excess = max_excess
        self._max_prefixes = max_prefixes
        self._holders: OrderedDict[int, frozenset[int]] = OrderedDict()

    @property
    def num_prefixes(self) -> int:
        """The number of blocks of prompts that are remembered."""
        return len(self._holders)

    def choose(self, prompt_token_ids: list[int], cache_salt: str, loads: Sequence[int | None]) -> int:
        """Chooses an engine for a prompt, and remembers that it knows it.

        Args:
            prompt_token_ids: The prompt.
            cache_salt: Who may share its prefix.
            loads: How many requests each engine has; None for one that takes none. One at least takes some.

        Returns:
            The engine's place in `loads`.
        """
        usable = {place: load for place, load in enumerate(loads) if load is not None}
        most = min(usable.values()) + self._max_excess
        prefixes = _prefixes(prompt_token_ids, cache_salt)
        num_known = self._num_known(prefixes)
        chosen = max(
            (place for place, load in usable.items() if load <= most),
            key=lambda place: (num_known[place], -usable[place]),
        )
        self._remember(prefixes, chosen)
        return chosen

    def forget(self, engine: int) -> None:
        """Forgets what an engine knew, which was ended or has died."""
        left = ((prefix, holders - {engine}) for prefix, holders in self._holders.items())
        self._holders = OrderedDict((prefix, holders) for prefix, holders in left if holders)

    def _num_known(self, prefixes: list[int]) -> list[int]:
        """The number of blocks of a prompt's beginning that each engine knows."""
        num_known = [0] * self._num_engines
        holders = frozenset(range(self._num_engines))
        for prefix in prefixes:
            holders &= self._holders.get(prefix, frozenset())
            if not holders:
                break
            for engine in holders:
                num_known[engine] += 1
        return num_known

    def _remember(self, prefixes: list[int], engine: int) -> None:
        for prefix in reversed(prefixes):  # the first blocks last, for without them the others are never found
            self._holders[prefix] = self._holders.get(prefix, frozenset()) | {engine}
            self._holders.move_to_end(prefix)
        while len(self._holders) > self._max_prefixes:
            self._holders.popitem(last=False)


def _prefixes(prompt_token_ids: list[int], cache_salt: str) -> list[int]:
    """A hash for each beginning of a prompt that is whole blocks, shortest first; its last token is always computed."""
    prefixes: list[int] = []
    prefix = hash(cache_salt)
    for start in range(0, len(prompt_token_ids) - BLOCK_SIZE, BLOCK_SIZE):
        prefix = hash((prefix, *prompt_token_ids[start : start + BLOCK_SIZE]))
        prefixes.append(prefix)
    return prefixes
