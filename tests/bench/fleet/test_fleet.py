"""What becomes of requests, as far as it can be said without simulating."""

from dataclasses import replace

import pytest
import simpy

from bench.fleet.fleet import Fleet, Scenario
from bench.fleet.hardware import Hardware
from bench.fleet.load import Conversations, Request, Traffic
from bench.fleet.policies import POLICIES
from bench.fleet.replica import Replica

HARDWARE = Hardware(
    name="round numbers",
    weights_s=0.01,
    kv_token_s=0.0,
    prefill_token_s=0.0001,
    overhead_s=0.0,
    num_kv_tokens=10_000,
    max_num_seqs=8,
    max_num_batched_tokens=200,
    load_s=5.0,
)
SCENARIO = Scenario(
    hardware=HARDWARE,
    num_replicas=3,
    requests_per_hour=3600,
    policy="round robin",
    traffic=Traffic(median_new_tokens=50, median_completion_tokens=20, num_system_tokens=50, max_context_tokens=2000),
    duration_s=60.0,
    warm_up_s=10.0,
)


@pytest.fixture
def ended():
    return []


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def replica(env, ended):
    return Replica(env, HARDWARE, ended.append)


def test_a_request_alone_takes_its_prompt_s_steps_and_one_for_each_further_token(env, replica, ended):
    request = Request(session=0, num_prompt_tokens=500, num_completion_tokens=11, arrived_s=0.0)
    replica.submit(request)
    env.run(until=10)
    # 200, 200 and 100 tokens at 0.1 ms each, but a step takes 10 ms at least.
    assert request.ttft_s == pytest.approx(0.02 + 0.02 + 0.01)
    assert request.inter_token_s == pytest.approx(0.01)
    assert ended == [request]
    assert replica.busy_s == pytest.approx(0.05 + 10 * 0.01)


def test_a_conversation_that_goes_on_computes_only_what_is_new(env, replica):
    replica.submit(Request(session=7, num_prompt_tokens=400, num_completion_tokens=10, arrived_s=0.0))
    env.run(until=5)
    second = Request(session=7, num_prompt_tokens=500, num_completion_tokens=10, arrived_s=5.0)
    replica.submit(second)
    env.run(until=10)
    assert second.num_cached_tokens == 410
    assert second.ttft_s == pytest.approx(0.01)


def test_one_that_comes_while_others_decode_waits_for_the_step_under_way_only(env, replica):
    replica.submit(Request(session=0, num_prompt_tokens=10, num_completion_tokens=1000, arrived_s=0.0))
    env.run(until=1.0051)
    second = Request(session=1, num_prompt_tokens=10, num_completion_tokens=10, arrived_s=1.0051)
    replica.submit(second)
    env.run(until=3)
    assert second.first_token_s == pytest.approx(1.02)


def test_what_had_a_token_is_cut_off_by_a_death_and_the_rest_goes_elsewhere(env, replica, ended):
    begun = Request(session=0, num_prompt_tokens=10, num_completion_tokens=1000, arrived_s=0.0)
    replica.submit(begun)
    env.run(until=1)
    waiting = [Request(session=n, num_prompt_tokens=2000, num_completion_tokens=5, arrived_s=1.0) for n in (1, 2)]
    for request in waiting:
        replica.submit(request)
    env.run(until=1.05)
    assert sorted(request.session for request in replica.kill()) == [1, 2]
    assert begun.is_failed
    assert ended == [begun]
    env.run(until=2)
    assert all(request.first_token_s < 0 for request in waiting)
    assert replica.num_requests == 0


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("failures", "is_rolling", "load"), [(0.0, False, 3600), (200.0, True, 30_000)])
def test_every_request_that_counts_is_answered_or_cut_off(policy, failures, is_rolling, load):
    scenario = replace(
        SCENARIO, policy=policy, failures_per_hour=failures, is_rolling=is_rolling, requests_per_hour=load
    )
    fleet = Fleet(scenario)
    outcome = fleet.run()
    assert outcome.goodput + outcome.failed <= 1
    assert fleet.num_requests == sum(replica.num_requests for replica in fleet.everyone)
    if not failures:
        assert outcome.failed == outcome.retried == fleet.num_requests == 0
        assert outcome.goodput == 1


def test_the_same_seed_gives_the_same_outcome():
    assert Fleet(SCENARIO).run() == Fleet(SCENARIO).run()
    assert Fleet(SCENARIO).run() != Fleet(replace(SCENARIO, seed=1)).run()


def test_the_confidence_interval_of_the_99th_percentile_holds_what_a_long_run_finds():
    found = [Fleet(replace(SCENARIO, duration_s=500.0, seed=seed)).run() for seed in range(5)]
    long = Fleet(replace(SCENARIO, duration_s=3000.0, seed=9)).run()
    holds = [abs(it.ttft_p99_s - long.ttft_p99_s) <= it.ttft_p99_margin_s + long.ttft_p99_margin_s for it in found]
    assert sum(holds) >= 4


def test_affinity_finds_more_prefixes_than_turns_do():
    found = {policy: Fleet(replace(SCENARIO, policy=policy)).run() for policy in POLICIES}
    assert found["prefix affinity"].cached > 1.5 * found["round robin"].cached


def test_affinity_gives_no_replica_much_more_than_the_mean():
    fleet = Fleet(replace(SCENARIO, policy="prefix affinity"))
    for _ in range(100):  # one conversation only
        fleet.send(Request(0, 10, 1000, 0.0))
    assert max(replica.num_requests for replica in fleet.everyone) <= 1.25 * 100 / 3 + 1


def test_prompts_are_as_long_at_the_start_as_later():
    traffic = Traffic(spread=0.0, continued=0.7, max_context_tokens=100_000)
    conversations = Conversations(traffic, seed=0)
    first = [conversations.next(0.0).num_prompt_tokens for _ in range(4000)]
    turns_before = traffic.continued / (1 - traffic.continued)
    turn = traffic.median_new_tokens + traffic.median_completion_tokens
    expected = traffic.num_system_tokens + traffic.median_new_tokens + turns_before * turn
    assert sum(first) / len(first) == pytest.approx(expected, rel=0.05)
