"""The block pool gives each block to one taker at a time."""

import pytest

from service.engine.block_pool import BLOCK_SIZE, BlockPool, num_blocks_for


@pytest.mark.parametrize(("num_tokens", "num_blocks"), [(0, 0), (1, 1), (BLOCK_SIZE, 1), (BLOCK_SIZE + 1, 2)])
def test_a_started_block_counts_as_a_block(num_tokens: int, num_blocks: int) -> None:
    assert num_blocks_for(num_tokens) == num_blocks


def test_no_block_is_given_out_twice() -> None:
    pool = BlockPool(8)
    taken = pool.take(3) + pool.take(5)
    assert sorted(taken) == list(range(8))
    assert pool.num_free == 0


def test_blocks_given_back_can_be_taken_again() -> None:
    pool = BlockPool(2)
    pool.give_back(pool.take(2))
    assert sorted(pool.take(2)) == [0, 1]


def test_giving_a_block_back_twice_is_seen() -> None:
    pool = BlockPool(2)
    blocks = pool.take(1)
    pool.give_back(blocks)
    with pytest.raises(AssertionError, match="twice"):
        pool.give_back(blocks)
