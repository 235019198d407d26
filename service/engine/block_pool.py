"""The KV cache's blocks: which are free, which are taken."""

from collections.abc import Iterable

BLOCK_SIZE = 16
"""How many tokens' keys and values a block holds."""


def num_blocks_for(num_tokens: int) -> int:
    """How many blocks hold `num_tokens` tokens."""
    return -(-num_tokens // BLOCK_SIZE)


class BlockPool:
    """Hands out block ids from 0 to `num_blocks - 1` and takes them back."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._free = list(range(num_blocks - 1, -1, -1))
        self._is_taken = [False] * num_blocks

    @property
    def num_free(self) -> int:
        """How many blocks can be taken now."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Takes `count` blocks; the caller has seen that as many are free."""
        assert count <= len(self._free), f"{count} blocks asked for, {len(self._free)} free"
        blocks = [self._free.pop() for _ in range(count)]
        for block in blocks:
            self._is_taken[block] = True
        return blocks

    def give_back(self, blocks: Iterable[int]) -> None:
        """Takes blocks back, each of which must be taken."""
        for block in blocks:
            assert self._is_taken[block], f"block {block} is given back twice"
            self._is_taken[block] = False
            self._free.append(block)
