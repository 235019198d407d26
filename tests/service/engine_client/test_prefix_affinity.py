"""Which of several engines gets a request: the one that knows its beginning, unless another has much less to do."""

from hypothesis import given
from hypothesis import strategies as st

from service.engine_client.prefix_affinity import PrefixAffinity
from service.engine_protocol.engine_config import BLOCK_SIZE

PROMPT = list(range(100))


def blocks(*values: int) -> list[int]:
    """A prompt of whole blocks, each of one repeated token, and one token more."""
    return [value for value in values for _ in range(BLOCK_SIZE)] + [0]


def test_prompts_that_begin_alike_go_where_the_first_one_went() -> None:
    affinity = PrefixAffinity(2)
    assert affinity.choose(PROMPT, "", [1, 0]) == 1
    assert affinity.choose([*PROMPT, 7, 8, 9], "", [0, 3]) == 1
    assert affinity.choose([9, *PROMPT], "", [0, 3]) == 0


def test_who_may_not_share_a_prefix_is_not_sent_to_it() -> None:
    affinity = PrefixAffinity(2)
    assert affinity.choose(PROMPT, "one account", [1, 0]) == 1
    assert affinity.choose(PROMPT, "another", [0, 1]) == 0


def test_the_engine_that_knows_more_of_a_prompt_is_chosen() -> None:
    affinity = PrefixAffinity(2)
    assert affinity.choose(blocks(1, 2, 3), "", [0, 1]) == 0
    assert affinity.choose(blocks(1, 5, 6), "", [20, 0]) == 1
    assert affinity.choose(blocks(1, 2, 3, 4), "", [3, 0]) == 0
    assert affinity.choose(blocks(1, 5, 6, 4), "", [0, 3]) == 1
    assert affinity.choose(blocks(1, 9), "", [2, 1]) == 1, "both know the first block, and this one has less to do"


def test_a_prefix_is_left_for_an_engine_with_much_less_to_do_which_knows_it_from_then_on() -> None:
    affinity = PrefixAffinity(2, max_excess=4)
    assert affinity.choose(PROMPT, "", [0, 0]) == 0
    assert affinity.choose(PROMPT, "", [4, 0]) == 0
    assert affinity.choose(PROMPT, "", [5, 0]) == 1
    assert affinity.choose(PROMPT, "", [2, 3]) == 0, "both know it now"
    assert affinity.choose(PROMPT, "", [3, 2]) == 1


def test_an_engine_that_takes_nothing_is_never_chosen_and_a_new_one_knows_nothing() -> None:
    affinity = PrefixAffinity(2)
    assert affinity.choose(PROMPT, "", [0, 0]) == 0
    assert affinity.choose(PROMPT, "", [None, 50]) == 1
    affinity.forget(0)
    assert affinity.choose(PROMPT, "", [0, 5]) == 1


def test_a_prompt_without_a_whole_block_before_its_last_token_leaves_nothing_to_remember() -> None:
    affinity = PrefixAffinity(1)
    affinity.choose([1] * BLOCK_SIZE, "", [0])
    assert affinity.num_prefixes == 0
    affinity.choose([1] * (BLOCK_SIZE + 1), "", [0])
    assert affinity.num_prefixes == 1


def test_what_was_unused_for_longest_is_forgotten_and_of_a_prompt_its_end_first() -> None:
    affinity = PrefixAffinity(2, max_prefixes=3)
    assert affinity.choose(blocks(1, 2), "", [0, 1]) == 0
    assert affinity.choose(blocks(3, 4), "", [1, 0]) == 1
    assert affinity.num_prefixes == 3
    assert affinity.choose(blocks(1), "", [1, 0]) == 0, "the first block is still known"


loads = st.lists(st.none() | st.integers(0, 40), min_size=3, max_size=3).filter(
    lambda them: any(load is not None for load in them)
)
requests = st.tuples(st.lists(st.integers(0, 2), max_size=5), st.sampled_from(["", "salt"]), loads)


@given(asked=st.lists(requests, max_size=40), max_excess=st.integers(0, 10))
def test_the_choice_is_what_a_plain_search_through_all_earlier_ones_gives(
    asked: list[tuple[list[int], str, list[int | None]]], max_excess: int
) -> None:
    affinity = PrefixAffinity(3, max_excess)
    earlier: list[tuple[str, list[int], int]] = []
    for values, salt, engine_loads in asked:
        known = [0, 0, 0]
        for other_salt, other, engine in earlier:
            # An engine knows what it was given, in whatever number of pieces.
            shared = [a == b for a, b in zip(values, other, strict=False)]
            count = [*shared, False].index(False) if salt == other_salt else 0
            known[engine] = max(known[engine], count)
        chosen = affinity.choose(blocks(*values), salt, engine_loads)
        least = min(load for load in engine_loads if load is not None)
        allowed = {
            place: (known[place], -load)
            for place, load in enumerate(engine_loads)
            if load is not None and load <= least + max_excess
        }
        assert allowed[chosen] == max(allowed.values())
        earlier.append((salt, values, chosen))
