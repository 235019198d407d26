"""How many GPUs some traffic needs."""

import re
from dataclasses import replace

import pytest

from bench.fleet.fleet import Scenario
from bench.fleet.hardware import H200_8B, Hardware
from bench.fleet.load import Traffic
from bench.fleet.need import fewest, is_good, main, means_of, spares

SLOW = Hardware(
    name="round numbers",
    weights_s=0.02,
    kv_token_s=0.0,
    prefill_token_s=0.0001,
    overhead_s=0.0,
    num_kv_tokens=100_000,
    max_num_seqs=4,
    max_num_batched_tokens=500,
)
SINGLE = Traffic(median_new_tokens=100, median_completion_tokens=50, spread=0.0, continued=0.0, num_system_tokens=100)


def test_a_request_takes_its_prompt_and_its_part_of_each_step():
    means = means_of(SINGLE, SLOW, max_inter_token_s=10.0, cached=0.0)
    assert (means.prompt, means.completion) == (200, 50)
    assert means.request_s == pytest.approx(50 * 0.02 / 4 + 200 * 0.0001)
    half = means_of(SINGLE, SLOW, max_inter_token_s=10.0, cached=0.5)
    assert half.request_s == pytest.approx(50 * 0.02 / 4 + 100 * 0.0001)


def test_earlier_turns_are_in_the_prompt():
    means = means_of(replace(SINGLE, continued=0.5), SLOW, max_inter_token_s=10.0, cached=0.0)
    assert means.prompt == 200 + 1 * 150


def test_the_search_ends_at_the_smallest_fleet_that_is_good():
    scenario = Scenario(
        hardware=SLOW, num_replicas=1, requests_per_hour=60_000, policy="least request", traffic=SINGLE, max_ttft_s=0.5
    )
    by_size = dict(fewest(scenario, about=3))
    enough = min(size for size, outcome in by_size.items() if is_good(outcome, scenario))
    assert not is_good(by_size[enough - 1], scenario)
    assert enough > 60_000 / 3600 * means_of(SINGLE, SLOW, 10.0, 0.0).request_s


def test_spares_grow_with_the_fleet_and_with_how_often_it_fails():
    assert spares(1, days_between_failures=3650, down_s=600) == 1
    assert spares(10, days_between_failures=30, down_s=600) == 2
    assert spares(1000, days_between_failures=30, down_s=600) > spares(100, days_between_failures=30, down_s=600)
    assert spares(100, days_between_failures=1, down_s=600) > spares(100, days_between_failures=30, down_s=600)


def test_the_command_answers_in_steps(capsys):
    main(["--requests-per-hour", "30000", "--completion-tokens", "60", "--price-per-hour", "2"])
    told = capsys.readouterr().out
    assert told.startswith(H200_8B.name)
    assert "not measured" in told
    answer = re.search(r"answer: (\d+) GPUs, \$(\d+) an hour", told)
    assert answer is not None
    assert int(answer[2]) == 2 * int(answer[1])
