"""What the comparison of two servers sees, and what it does not."""

import json

import pytest

from tests.conformance.observation import differences, observe

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


def compared(there, here, headers=JSON):
    """The differences between two bodies."""
    pair = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in (there, here)]
    one, other = (observe(200, headers, body) for body in pair)
    return list(differences(one, other))


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({"response": "Hello"}, {"response": "Good bye"}),
        ({"usage": {"prompt_tokens": 7}}, {"usage": {"prompt_tokens": 8}}),
        ({"id": "a"}, {"id": "b"}),
        ({"messages": [{"code": 1000, "message": "stands in"}]}, {"messages": []}),
        ({"result": [{"id": 1}, {"id": 2}]}, {"result": [{"id": 1}]}),
        ({"response": "Hello"}, {"response": "Hello", "finish_reason": "stop"}),
    ],
)
def test_what_must_differ_is_not_seen(there, here):
    assert compared(there, here) == []


@pytest.mark.parametrize(
    ("there", "here", "seen"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "/body: keys a, b there, b, a here"),
        ({"a": 1}, {"a": 1, "b": 2}, "/body: keys a there, a, b here"),
        ({"a": 1}, {"a": 1.5}, '/body/a: "<integer>" there, "<number>" here'),
        ({"response": "4"}, {"response": 4}, '/body/response: "<text>" there, "<integer>" here'),
        ({"response": ""}, {"response": None}, '/body/response: "" there, null here'),
        ({"success": True}, {"success": False}, "/body/success: true there, false here"),
        ({"finish_reason": "stop"}, {"finish_reason": "length"}, '/body/finish_reason: "stop" there, "length" here'),
        ({"code": 5006, "message": "a"}, {"code": 5007, "message": "a"}, "/body/code: 5006 there, 5007 here"),
        ({"code": 1, "message": "a"}, {"code": 1, "message": "b"}, '/body/message: "a" there, "b" here'),
    ],
)
def test_a_difference_is_told_with_its_place(there, here, seen):
    assert compared(there, here) == [seen]


def test_where_a_streams_text_is_cut_does_not_matter():
    there = b'data: {"response":"New York"}\n\ndata: [DONE]\n\n'
    here = b'data: {"response":"New","p":"ab"}\n\ndata: {"response":" York"}\n\ndata: [DONE]\n\n'
    assert compared(there, here, SSE) == []


def test_an_event_that_is_missing_is_told():
    there, here = b'data: {"response":"a"}\n\ndata: [DONE]\n\n', b'data: {"response":"a"}\n\n'
    assert compared(there, here, SSE) == ['/body/1: "data: [DONE]" there, "nothing" here']


def test_the_ids_in_headers_and_messages_are_not_compared():
    one, other = "d9e09afe-fe49-4051-bc1d-8901f858ff52", "2f92db78-f004-4e34-bc23-383bd05f33cb"
    bodies = [json.dumps({"code": 1, "message": f"a ({request_id})"}).encode() for request_id in (one, other)]
    seen = observe(400, {**JSON, "cf-ai-req-id": one}, bodies[0])
    assert list(differences(seen, observe(400, {**JSON, "cf-ai-req-id": other}, bodies[1]))) == []


def test_status_and_headers_that_clients_read_are_compared():
    one = observe(429, {**JSON, "retry-after": "1"}, b"")
    other = observe(503, {"content-type": "application/json; charset=utf-8", "retry-after": "9"}, b"")
    assert [difference.split(":")[0] for difference in differences(one, other)] == ["/status", "/headers/content-type"]
