"""The block pool counts who holds each block, and finds what a block holds until it is taken for something else."""

import pytest

from service.engine.scheduling.block_pool import BlockPool
from service.engine_protocol.engine_config import BLOCK_SIZE, num_blocks_for

A, B, C = ([token] * BLOCK_SIZE for token in (7, 8, 9))


@pytest.mark.parametrize(("num_tokens", "num_blocks"), [(0, 0), (1, 1), (BLOCK_SIZE, 1), (BLOCK_SIZE + 1, 2)])
def test_a_started_block_counts_as_a_block(num_tokens: int, num_blocks: int) -> None:
    assert num_blocks_for(num_tokens) == num_blocks


def test_no_block_is_given_out_twice() -> None:
    pool = BlockPool(8)
    taken = pool.allocate(3) + pool.allocate(5)
    assert sorted(taken) == list(range(8))
    assert pool.num_free == 0


def test_blocks_given_back_can_be_taken_again() -> None:
    pool = BlockPool(2)
    pool.free(pool.allocate(2))
    assert sorted(pool.allocate(2)) == [0, 1]


def test_giving_a_block_back_twice_is_seen() -> None:
    pool = BlockPool(2)
    blocks = pool.allocate(1)
    pool.free(blocks)
    with pytest.raises(AssertionError, match="twice"):
        pool.free(blocks)


def cached(pool: BlockPool, *contents: list[int], salt: str = "") -> list[int]:
    """Takes blocks, fills them with contents and caches them."""
    blocks = pool.allocate(len(contents))
    for place, tokens in enumerate(contents):
        blocks[place] = pool.cache(blocks[place], blocks[place - 1] if place else None, tokens, salt)
    return blocks


def test_the_longest_cached_beginning_is_found() -> None:
    pool = BlockPool(8)
    blocks = cached(pool, A, B)
    assert pool.match(A + B + C, "") == blocks
    assert pool.match(A + B[:-1], "") == blocks[:1]
    assert pool.match(A + C + B, "") == blocks[:1]
    assert pool.match(B + A, "") == []
    assert pool.match([], "") == []


def test_equal_tokens_after_another_beginning_are_other_content() -> None:
    pool = BlockPool(8)
    first, second = cached(pool, A, C), cached(pool, B, C)
    assert first[1] != second[1]
    assert pool.match(A + C, "") == first
    assert pool.match(B + C, "") == second


def test_another_salt_never_matches() -> None:
    pool = BlockPool(8)
    cached(pool, A, B, salt="mine")
    assert pool.match(A + B, "yours") == pool.match(A + B, "") == []


def test_tokens_whose_hashes_collide_are_told_apart() -> None:
    pool = BlockPool(8)
    (block,) = cached(pool, [0] * BLOCK_SIZE)
    colliding = [2**61 - 1] * BLOCK_SIZE  # Python hashes integers modulo this prime
    assert hash(tuple(colliding)) == hash((0,) * BLOCK_SIZE)
    assert pool.match(colliding, "") == []
    assert pool.match([0] * BLOCK_SIZE, "") == [block]


def test_content_that_is_there_already_takes_one_block_and_not_two() -> None:
    pool = BlockPool(8)
    first, second = cached(pool, A, B), cached(pool, A, B)
    assert first == second
    assert [pool.num_holders(block) for block in first] == [2, 2]
    assert pool.num_free == 6


def test_a_shared_block_is_free_when_its_last_holder_gives_it_back() -> None:
    pool = BlockPool(2)
    blocks = cached(pool, A)
    pool.share(blocks)
    pool.free(blocks)
    assert pool.num_free == 1
    pool.free(blocks)
    assert pool.num_free == 2
    assert pool.match(A, "") == blocks, "a free block is found until it is taken"


def test_blocks_without_content_are_taken_first_and_then_those_unused_for_longest() -> None:
    pool = BlockPool(4)
    old, new = cached(pool, A), cached(pool, B)
    pool.free(old)
    pool.free(new)
    pool.share(pool.match(A, ""))
    pool.free(old)
    pool.allocate(2)
    assert pool.num_cached == 2
    assert pool.allocate(1) == new
    assert pool.allocate(1) == old


def test_no_block_is_reused_before_those_that_are_found_through_it() -> None:
    pool = BlockPool(3)
    blocks = cached(pool, A, B, C)
    pool.free(blocks)
    assert pool.allocate(1) == blocks[2:]
    assert pool.match(A + B + C, "") == blocks[:2]


def test_a_reused_block_is_found_by_its_new_content_only() -> None:
    pool = BlockPool(1)
    pool.free(cached(pool, A))
    cached(pool, B)
    assert pool.match(A, "") == []
    assert len(pool.match(B, "")) == 1


def test_what_followed_a_reused_block_does_not_follow_its_new_content() -> None:
    pool = BlockPool(3)
    blocks = cached(pool, A, C)
    pool.forget(blocks[:1])
    pool.free(blocks)
    (reused,) = cached(pool, B)
    assert reused == blocks[0]
    assert pool.match(B + C, "") == [reused]


def test_only_cached_blocks_can_be_shared() -> None:
    pool = BlockPool(2)
    with pytest.raises(AssertionError, match="not cached"):
        pool.share(pool.allocate(1))


def test_a_block_that_is_shared_or_can_be_is_not_written_to() -> None:
    pool = BlockPool(2)
    (block,) = pool.allocate(1)
    assert pool.is_writable(block)
    pool.cache(block, None, A, "")
    assert not pool.is_writable(block)
    with pytest.raises(AssertionError, match="cached or shared"):
        pool.cache(block, None, A, "")


def test_a_block_that_is_not_full_is_not_cached() -> None:
    pool = BlockPool(2)
    with pytest.raises(AssertionError, match="not full"):
        pool.cache(pool.allocate(1)[0], None, A[1:], "")


def test_forgotten_content_is_not_found_and_its_blocks_stay_as_free_as_they_were() -> None:
    pool = BlockPool(4)
    free, held = cached(pool, A), cached(pool, B)
    pool.free(free)
    pool.forget(range(4))
    assert pool.match(A, "") == pool.match(B, "") == []
    assert (pool.num_cached, pool.num_free) == (0, 3)
    pool.free(held)
    assert pool.num_free == 4


def test_what_others_read_is_not_forgotten() -> None:
    pool = BlockPool(4)
    blocks = cached(pool, A)
    pool.share(blocks)
    pool.forget(blocks)
    assert pool.match(A, "") == blocks
