"""A KV cache without a model, which knows what each of its places should hold."""

from service.engine.scheduling.scheduled import ScheduledSequence
from service.engine.scheduling.sequence import Sequence
from service.engine_protocol.engine_config import BLOCK_SIZE


def drawn_at(position: int) -> int:
    """The token that any sequence samples for a place."""
    return 1000 + position


class KVCache:
    """What a real one would hold: each place depends on all tokens up to it, and here on the salt too.

    Equal beginnings have equal numbers, and unequal ones never do.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, str, int], int] = {}
        self._places: dict[tuple[int, int], int] = {}

    def write(self, item: ScheduledSequence) -> None:
        """Computes a sequence's scheduled tokens; it reads what is there for those before."""
        sequence = item.sequence
        number = self._read(sequence)
        for position in range(item.start, item.end):
            drafted = item.token_ids(position, position + 1) if item.draft else []
            number = self._number(number, sequence, position, *drafted)
            block, offset = sequence.block_table[position // BLOCK_SIZE], position % BLOCK_SIZE
            self._places[block, offset] = number

    def _read(self, sequence: Sequence) -> int:
        """The number of the computed tokens; fails unless the cache holds what they would have been computed to."""
        number = -1
        for position in range(sequence.num_computed_tokens):
            number = self._number(number, sequence, position)
            block, offset = sequence.block_table[position // BLOCK_SIZE], position % BLOCK_SIZE
            assert self._places[block, offset] == number, "a sequence reads what is not its own"
        return number

    def _number(self, before: int, sequence: Sequence, position: int, drafted: int | None = None) -> int:
        is_known = position < len(sequence.token_ids)
        token_id = drafted or (sequence.token_ids[position] if is_known else drawn_at(position))
        key = (before, sequence.cache_salt, token_id)
        return self._numbers.setdefault(key, len(self._numbers))
