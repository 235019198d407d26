"""What each request is given of a step, and when it is told."""

import pytest

from service.engine_client.moments import Moments
from service.engine_client.request import Request
from service.engine_client.requests import Requests
from service.engine_protocol.messages import StepOutput, StepResult, Submit
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from service.errors import EngineFailedError


@pytest.fixture
def requests() -> Requests:
    return Requests(stream_interval=3)


@pytest.fixture
def request_of(requests: Requests) -> Request:
    return requests.add(Submit("it", [7], SamplingParams(9)), Moments())


def step(requests: Requests, token_id: int, reason: FinishReason | None = None) -> None:
    requests.take(StepResult(outputs=[StepOutput("it", token_id, reason)]))


def taken(request: Request) -> list[int] | None:
    """What is to be taken; None if nobody is told of it."""
    return request.pop_output().token_ids if request.news.is_set() else None


def test_the_first_token_comes_at_once_and_then_as_many_as_the_interval_has(requests, request_of):
    told = []
    for token_id in range(1, 9):
        step(requests, token_id)
        told.append(taken(request_of))
    assert told == [[1], None, None, [2, 3, 4], None, None, [5, 6, 7], None]


def test_the_end_is_told_at_once_with_what_was_gathered(requests, request_of):
    step(requests, 1)
    assert taken(request_of) == [1]
    step(requests, 2)
    step(requests, 3, FinishReason.LENGTH)
    assert taken(request_of) == [2, 3]


def test_a_failure_is_told_at_once_with_what_was_gathered(requests, request_of):
    step(requests, 1)
    assert taken(request_of) == [1]
    step(requests, 2)
    requests.fail_all(EngineFailedError("it died"))
    assert taken(request_of) == [2]
    assert request_of.error is not None


def test_by_itself_each_token_is_told(request_of):
    requests = Requests()
    request = requests.add(Submit("it", [7], SamplingParams(9)), Moments())
    for token_id in range(3):
        step(requests, token_id)
        assert taken(request) == [token_id]
