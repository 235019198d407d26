"""The requests of the engine's benchmarks."""

import pytest

from bench.engine.load import Served, TimedRequest, check_lengths, idle_s, over_time, share_equal
from bench.engine.peer import PLAIN, TUNED, peer_config


def test_arrivals_are_the_same_in_every_run_and_only_their_times_follow_the_span():
    short, long = (over_time(320, 64, (16, 512), (16, 256), span_s) for span_s in (1.5, 3.0))
    assert short == over_time(320, 64, (16, 512), (16, 256), 1.5)
    assert [request.arrival_s * 2 for request in short] == pytest.approx([request.arrival_s for request in long])
    assert [request.prompt_token_ids for request in short] == [request.prompt_token_ids for request in long]


def test_arrivals_begin_at_0_and_end_within_the_span():
    arrivals_s = [request.arrival_s for request in over_time(320, 64, (16, 512), (16, 256), 3.0)]
    assert arrivals_s == sorted(arrivals_s)
    assert arrivals_s[0] == 0
    assert 2 < arrivals_s[-1] < 3


def test_lengths_are_within_their_bounds_and_prompts_within_the_vocabulary():
    load = over_time(320, 64, (16, 512), (16, 256), 3.0)
    prompt_lengths = [len(request.prompt_token_ids) for request in load]
    assert 16 <= min(prompt_lengths) < 100 < 400 < max(prompt_lengths) <= 512
    assert all(16 <= request.num_new_tokens <= 256 for request in load)
    assert all(token_id in range(10, 320) for request in load for token_id in request.prompt_token_ids)


@pytest.mark.parametrize(
    ("arrivals_s", "finished_s", "idle"),
    [([0, 1], [2, 3], 0), ([0, 5], [2, 6], 3), ([0, 1, 5], [4, 2, 6], 1), ([0, 1, 2], [9, 2, 3], 0)],
)
def test_idle_is_when_all_that_arrived_has_ended(arrivals_s: list[float], finished_s: list[float], idle: float):
    assert idle_s(arrivals_s, finished_s) == idle


def test_a_completion_of_another_length_is_an_error():
    load = [TimedRequest([5], 2), TimedRequest([5], 3)]
    check_lengths(load, Served([[1, 2], [1, 2, 3]], [1, 2], 0))
    with pytest.raises(RuntimeError, match="request 1 got 2 tokens instead of 3"):
        check_lengths(load, Served([[1, 2], [1, 2]], [1, 2], 0))


def test_requests_are_equal_if_all_their_tokens_are():
    ours, theirs = Served([[1, 2], [3, 4]], [1, 2], 0), Served([[1, 2], [3, 5]], [1, 2], 0)
    assert share_equal(ours, theirs) == 0.5


def test_a_rate_is_over_the_time_to_the_last_token():
    assert Served([[1, 2], [3, 4]], [0.5, 2.0], 0).rate == 2


def test_the_tuned_peer_has_blocks_for_all_requests_at_once_and_keeps_some_free():
    load = [TimedRequest([5] * 17, 16), TimedRequest([5] * 10, 6)]
    config = peer_config(TUNED, "cpu", load, max_batch_tokens=64, max_requests=2)
    assert config is not None
    assert config.num_blocks is not None
    assert config.num_blocks * 0.85 >= 3 + 1
    assert not config.allow_block_sharing
    assert peer_config(PLAIN, "cpu", load, max_batch_tokens=64, max_requests=2) is None
