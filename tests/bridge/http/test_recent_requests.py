"""The last requests are kept, and no more."""

from bridge.http.access_log import Access
from bridge.http.recent_requests import MAX_REQUESTS, RecentRequests


def added(num_requests, **fields):
    recent = RecentRequests()
    for number in range(num_requests):
        recent.add(Access(request_id=str(number), **fields), "/v1/models", 200, 0.5)
    return recent


def test_the_newest_come_first_and_the_oldest_are_forgotten():
    recent = added(MAX_REQUESTS + 3)
    ids = [request.id for request in recent.of(None)]
    assert ids == [str(number) for number in range(MAX_REQUESTS + 2, 2, -1)]


def test_requests_of_no_account_are_for_those_who_see_all():
    recent = added(1)
    assert recent.of(frozenset({"acc"})) == recent.of(frozenset()) == []
    assert len(recent.of(None)) == 1


def test_each_finish_reason_is_told_once():
    (request,) = added(1, finish_reasons={"stop", "length"}).of(None)
    assert request.finish_reason == "length, stop"
