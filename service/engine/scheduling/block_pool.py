"""The KV cache's blocks: which are free, who shares which, and what free ones still hold.

A full block whose tokens are all computed is *cached*: later sequences that begin alike share it instead of computing
it again. What a block holds depends on all tokens up to its end. So it is found by its own tokens and by what the block
before it holds. The first block is found by the salt instead. A cached block that nobody holds is free, and is still
found until it is taken for something else. Those given back longest ago are taken first.
"""

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from service.engine_protocol.engine_config import BLOCK_SIZE


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of a cached block, under a number that is never used again, whatever becomes of the block."""

    number: int
    key: tuple[int | str, tuple[int, ...]]


class BlockPool:
    """Hands out block ids from 0 to `num_blocks - 1`, counts who holds them, and remembers what they hold.

    The index is a dict whose keys are the number of the content before, or the salt, and the block's own tokens. Python
    compares keys of equal hash, so two contents whose hashes collide are never taken for each other.
    """

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._num_holders = [0] * num_blocks
        self._blank = list(range(num_blocks - 1, -1, -1))
        self._free_cached: OrderedDict[int, None] = OrderedDict()
        self._contents: list[_Content | None] = [None] * num_blocks
        self._cached: dict[tuple[int | str, tuple[int, ...]], int] = {}
        self._numbers = itertools.count()

    @property
    def num_free(self) -> int:
        """The number of blocks that can be allocated now; cached ones that nobody holds are among them."""
        return len(self._blank) + len(self._free_cached)

    @property
    def num_cached(self) -> int:
        """The number of blocks that can be found by what they hold."""
        return len(self._cached)

    def num_holders(self, block: int) -> int:
        """The number of those that were allocated a block or share it."""
        return self._num_holders[block]

    def is_cached(self, block: int) -> bool:
        """Tells if a block can be found by what it holds."""
        return self._contents[block] is not None

    def is_writable(self, block: int) -> bool:
        """Tells if a block's content may change: one alone holds it, and nobody else can find it."""
        return self._num_holders[block] == 1 and self._contents[block] is None

    def allocate(self, count: int) -> list[int]:
        """Allocates `count` blocks to write to; the caller has seen that as many are free."""
        assert count <= self.num_free, f"{count} blocks asked for, {self.num_free} free"
        blocks = [self._blank.pop() if self._blank else self._evict() for _ in range(count)]
        for block in blocks:
            self._num_holders[block] = 1
        return blocks

    def match(self, token_ids: list[int], salt: str) -> list[int]:
        """The cached blocks that hold the longest beginning of `token_ids`, in order. The caller may `share` them."""
        blocks: list[int] = []
        parent: int | str = salt
        for end in range(BLOCK_SIZE, len(token_ids) + 1, BLOCK_SIZE):
            block = self._cached.get((parent, tuple(token_ids[end - BLOCK_SIZE : end])))
            if block is None:
                break
            blocks.append(block)
            parent = self._number_of(block)
        return blocks

    def num_free_without(self, blocks: list[int]) -> int:
        """The number of blocks that can be allocated once those in `blocks` are shared."""
        return self.num_free - sum(self._num_holders[block] == 0 for block in blocks)

    def share(self, blocks: list[int]) -> None:
        """Becomes one more holder of cached blocks."""
        for block in blocks:
            assert self.is_cached(block), f"block {block} is shared and not cached"
            self._hold(block)

    def cache(self, block: int, parent: int | None, token_ids: list[int], salt: str) -> int:
        """Lets others find a block that is full and computed.

        Args:
            block: A block that the caller alone holds.
            parent: The cached block before it; None if it is the first.
            token_ids: Its own tokens.
            salt: Whose it is.

        Returns:
            The block to go on with: `block`, or the one that holds the same already. The caller holds that one then,
            and `block` no more.
        """
        assert len(token_ids) == BLOCK_SIZE, f"a block of {len(token_ids)} tokens is not full"
        assert self.is_writable(block), f"block {block} is cached or shared already"
        key = (salt if parent is None else self._number_of(parent), tuple(token_ids))
        same = self._cached.setdefault(key, block)
        if same == block:
            self._contents[block] = _Content(next(self._numbers), key)
        else:
            self._hold(same)
            self.free([block])
        return same

    def free(self, blocks: list[int]) -> None:
        """Ends a holder's hold on its blocks, given in the order of their tokens.

        The last block goes first into the queue of blocks to reuse. So no block is reused before those that are found
        only through it.
        """
        for block in reversed(blocks):
            assert self._num_holders[block] > 0, f"block {block} is given back twice"
            self._num_holders[block] -= 1
            if self._num_holders[block]:
                continue
            if self.is_cached(block):
                self._free_cached[block] = None
            else:
                self._blank.append(block)

    def forget(self, blocks: Iterable[int]) -> None:
        """Drops what blocks hold, except those that more than one holder reads."""
        for block in blocks:
            if self._num_holders[block] > 1:
                continue
            self._uncache(block)
            if block in self._free_cached:
                del self._free_cached[block]
                self._blank.append(block)

    def _hold(self, block: int) -> None:
        if self._num_holders[block] == 0:
            del self._free_cached[block]
        self._num_holders[block] += 1

    def _evict(self) -> int:
        block, _ = self._free_cached.popitem(last=False)
        self._uncache(block)
        return block

    def _uncache(self, block: int) -> None:
        content = self._contents[block]
        if content is not None:
            del self._cached[content.key]
            self._contents[block] = None

    def _number_of(self, block: int) -> int:
        content = self._contents[block]
        assert content is not None, f"block {block} is not cached"
        return content.number
