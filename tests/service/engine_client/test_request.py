"""How much may wait for an engine, and who counts."""

import pytest

from service.engine_client.request import QueueBounds, Request
from service.engine_protocol.messages import StepOutput, Submit
from service.engine_protocol.sampling_params import Priority, SamplingParams
from service.errors import QueueFullError

BOUNDS = QueueBounds(max_num_seqs=2, max_waiting=3, max_waiting_tokens=100)


def submit(num_prompt_tokens: int = 1, priority: Priority = Priority.ONLINE, account: str = "") -> Submit:
    return Submit("id", [7] * num_prompt_tokens, SamplingParams(5), priority, account=account)


def requests(*submits: Submit, has_started: bool = False) -> list[Request]:
    return [Request(each, has_started) for each in submits]


def test_as_many_requests_as_run_and_wait_are_taken() -> None:
    BOUNDS.check(submit(), requests(*[submit()] * 4))
    with pytest.raises(QueueFullError, match=r"3 requests are waiting already.*max_waiting\)") as caught:
        BOUNDS.check(submit(), requests(*[submit()] * 5))
    assert caught.value.metadata == {"max_waiting": "3"}


def test_as_many_tokens_wait_as_may() -> None:
    BOUNDS.check(submit(40), requests(submit(60)))
    with pytest.raises(QueueFullError, match=r"60 tokens.*41 more.*100 \(max_waiting_tokens\)") as caught:
        BOUNDS.check(submit(41), requests(submit(60)))
    assert caught.value.metadata == {"max_waiting_tokens": "100"}


def test_tokens_of_prompts_that_run_do_not_wait() -> None:
    BOUNDS.check(submit(100), requests(submit(1000), has_started=True))


def test_a_prompt_over_the_bound_waits_if_it_waits_alone() -> None:
    BOUNDS.check(submit(101), requests(submit(), has_started=True))
    with pytest.raises(QueueFullError):
        BOUNDS.check(submit(101), requests(submit()))


def test_batch_requests_do_not_keep_online_ones_out() -> None:
    flood = requests(*[submit(50, Priority.BATCH)] * 5)
    BOUNDS.check(submit(60), flood)
    with pytest.raises(QueueFullError):
        BOUNDS.check(submit(priority=Priority.BATCH), flood)


def test_online_requests_keep_batch_ones_out() -> None:
    with pytest.raises(QueueFullError):
        BOUNDS.check(submit(priority=Priority.BATCH), requests(*[submit()] * 5))


def test_an_account_that_floods_keeps_no_other_out() -> None:
    flood = requests(*[submit(20, account="flood")] * 5)
    with pytest.raises(QueueFullError):
        BOUNDS.check(submit(account="flood"), flood)
    BOUNDS.check(submit(50, account="other"), flood)
    with pytest.raises(QueueFullError, match="max_waiting_tokens"):
        BOUNDS.check(submit(51, account="other"), flood)
    with pytest.raises(QueueFullError, match="max_waiting"):
        BOUNDS.check(submit(account="other"), flood + requests(*[submit(account="other")] * 2))


def test_many_accounts_together_wait_up_to_twice_the_bound() -> None:
    bounds = QueueBounds(max_num_seqs=2, max_waiting=8, max_waiting_tokens=1000)
    full = requests(*[submit(account="flood")] * 18, submit(account="one"))
    bounds.check(submit(account="two"), full)
    with pytest.raises(QueueFullError):
        bounds.check(submit(account="three"), [*full, *requests(submit(account="two"))])


def test_the_first_token_waits_for_no_others_and_later_ones_are_gathered() -> None:
    request = Request(submit(), stream_interval=3)
    wakes = []
    for token_id in range(8):
        request.grow(StepOutput("a", token_id, None))
        wakes.append(request.news.is_set())
        if wakes[-1]:
            request.pop_output()
    assert wakes == [True, False, False, True, False, False, True, False]
