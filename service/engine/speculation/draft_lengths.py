"""How many tokens of each draft a step computes: as many as let it give the most tokens in the time that it takes.

A step of one row reads all weights, and each row more adds `row_cost` of its time. A draft's token is of use if it and
all before it come, which has the probability `acceptance_rate` to the power of its place.
"""

from collections.abc import Sequence

MAX_DRAFT_TOKENS = 15
"""The most drafted tokens of a step, of all its sequences together."""

_MOST_SLOWDOWN = 1.1
"""By how much a step may take longer for the drafts of some of its sequences if others get no more of it."""


def draft_lengths(rates: Sequence[float], num_rows: int, row_cost: float, room: Sequence[int]) -> list[int]:
    """How many tokens are worth computing of the drafts of a step's sequences.

    Args:
        rates: The acceptance rate of each sequence; 0 for one that has no draft, or does not decode.
        num_rows: How many tokens the step computes without drafts.
        row_cost: By what part of a step of one row another row makes it longer.
        room: The most tokens that each sequence can have drafted.
    """
    step = _Step(rates, num_rows, row_cost, room)
    while step.grow():
        pass
    while step.is_unfair():
        step.shrink()
    return step.lengths


class _Step:
    """A step whose drafts grow, always by the token that most likely comes."""

    def __init__(self, rates: Sequence[float], num_rows: int, row_cost: float, room: Sequence[int]) -> None:
        self.lengths = [0] * len(rates)
        self._rates, self._room, self._row_cost = rates, room, row_cost
        self._plain_cost = self._cost = 1 + row_cost * (num_rows - 1)
        self._gains = [1.0] * len(rates)
        """How many tokens each sequence is expected to get."""
        self._next = list(rates)
        """The probability that each sequence's next drafted token comes."""
        self._grown: list[int] = []

    def grow(self) -> bool:
        """Drafts another token; False if none is worth its row."""
        places = [place for place, length in enumerate(self.lengths) if length < self._room[place]]
        best = max(places, key=lambda place: self._next[place], default=None)
        if best is None or len(self._grown) == MAX_DRAFT_TOKENS:
            return False
        if self._next[best] * self._cost <= self._row_cost * sum(self._gains):
            return False
        self.lengths[best] += 1
        self._gains[best] += self._next[best]
        self._next[best] *= self._rates[best]
        self._cost += self._row_cost
        self._grown.append(best)
        return True

    def is_unfair(self) -> bool:
        """Tells if a sequence gets its tokens noticeably later than without drafts."""
        slowdown = self._cost / self._plain_cost
        return bool(self._grown) and slowdown > _MOST_SLOWDOWN and slowdown > min(self._gains)

    def shrink(self) -> None:
        """Leaves out what was drafted last."""
        last = self._grown.pop()
        self.lengths[last] -= 1
        self._next[last] /= self._rates[last]
        self._gains[last] -= self._next[last]
        self._cost -= self._row_cost
