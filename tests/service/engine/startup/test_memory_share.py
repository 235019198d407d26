"""How much of a device is left for a KV cache: only numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.startup.memory_share import GRAPHS_BYTES, DeviceMemory, kv_cache_bytes
from service.engine_protocol.acceleration import Acceleration
from service.engine_protocol.engine_config import MemoryShare

GB = 10**9
KERNEL = frozenset({Acceleration.ATTENTION})


def device(free_gb: int = 84, total_gb: int = 100, weights_gb: int = 16, step_gb: int = 2) -> DeviceMemory:
    """A device of 100 GB on which 16 GB of weights are all there is."""
    return DeviceMemory(
        total_bytes=total_gb * GB, free_bytes=free_gb * GB, weights_bytes=weights_gb * GB, step_bytes=step_gb * GB
    )


def test_the_kv_cache_gets_what_weights_and_steps_leave_of_the_share_that_may_be_used() -> None:
    assert kv_cache_bytes(device(), MemoryShare(utilization=0.9), KERNEL) == (90 - 16 - 2) * GB


def test_what_others_use_is_left_to_them() -> None:
    assert kv_cache_bytes(device(free_gb=74), MemoryShare(utilization=0.9), KERNEL) == (90 - 10 - 16 - 2) * GB


def test_a_budget_is_a_bound_beside_the_utilization() -> None:
    share = MemoryShare(utilization=0.9, budget_mib=40 * 1024)
    assert kv_cache_bytes(device(), share, KERNEL) == (40 << 30) - (16 + 2) * GB
    assert share.most_bytes(30 * GB) == 27 * GB


def test_graphs_get_a_reserve() -> None:
    with_graphs = kv_cache_bytes(device(), MemoryShare(), KERNEL | {Acceleration.GRAPHS})
    assert with_graphs == kv_cache_bytes(device(), MemoryShare(), KERNEL) - GRAPHS_BYTES


def test_graphs_that_a_trial_has_measured_get_what_they_take() -> None:
    ways = KERNEL | {Acceleration.GRAPHS}
    assert (
        kv_cache_bytes(device(), MemoryShare(), ways, 3 * GB)
        == kv_cache_bytes(device(), MemoryShare(), KERNEL) - 3 * GB
    )
    assert kv_cache_bytes(device(), MemoryShare(), KERNEL, 3 * GB) == kv_cache_bytes(device(), MemoryShare(), KERNEL)


def test_without_the_attention_kernel_half_is_kept_for_what_decoding_gathers() -> None:
    assert kv_cache_bytes(device(), MemoryShare(), frozenset()) == (90 - 16 - 2) * GB // 2


def test_less_than_nothing_is_told_as_such() -> None:
    assert kv_cache_bytes(device(free_gb=4, total_gb=20), MemoryShare(), KERNEL) == 0
    assert kv_cache_bytes(device(free_gb=3, total_gb=20), MemoryShare(), KERNEL) == -1 * GB


def test_engines_that_share_a_device_get_equally_much_whoever_comes_first() -> None:
    share, taken = MemoryShare(utilization=0.9, num_engines=3), 0
    for weights_gb in (10, 4, 7):
        memory = device(free_gb=100 - taken - weights_gb, weights_gb=weights_gb, step_gb=0)
        kv_cache_gb = kv_cache_bytes(memory, share, KERNEL) // GB
        assert weights_gb + kv_cache_gb == 30
        taken += 30


@given(
    total=st.integers(1, 200 * GB),
    used=st.floats(0, 1),
    weights=st.floats(0, 1),
    step_bytes=st.integers(0, 20 * GB),
    share=st.builds(
        MemoryShare,
        utilization=st.floats(0.01, 1),
        budget_mib=st.integers(0, 200_000),
        num_engines=st.integers(1, 9),
    ),
    accelerations=st.frozensets(st.sampled_from(Acceleration)),
)
def test_no_bound_is_ever_passed(
    total: int, used: float, weights: float, step_bytes: int, share: MemoryShare, accelerations: frozenset[Acceleration]
) -> None:
    used_bytes = int(total * used)
    memory = DeviceMemory(
        total_bytes=total,
        free_bytes=total - used_bytes,
        weights_bytes=int(used_bytes * weights),
        step_bytes=step_bytes,
    )
    kv_cache = kv_cache_bytes(memory, share, accelerations)
    own = memory.weights_bytes + step_bytes + kv_cache
    if kv_cache > 0:
        assert own <= share.most_bytes(total) <= share.utilization * total / share.num_engines
        assert own + memory.others_bytes <= share.utilization * total
        assert step_bytes + kv_cache <= memory.free_bytes
        assert not share.budget_mib or own * share.num_engines <= share.budget_mib << 20


@pytest.mark.parametrize("num_engines", [1, 2, 7])
def test_shares_together_are_no_more_than_there_is(num_engines: int) -> None:
    assert MemoryShare(utilization=1.0, num_engines=num_engines).most_bytes(100) * num_engines <= 100
