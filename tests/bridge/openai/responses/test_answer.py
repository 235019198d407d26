"""Responses that are made part by part: whatever the parts are, the events tell one response, that of the whole."""

import json

from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from runstream.v1 import text_generation_pb2 as pb

from bridge.openai.responses.answer import ResponseAnswer
from tests.support.fake_service import DEMO, USAGE, last_part, part
from tests.support.openai_asking import RESPONSE, parse_responses, read_named_events

REQUEST_ID = "0f3c2d4e-0000-4000-8000-000000000001"
ASKED = parse_responses(json.dumps({**RESPONSE, "include": ["message.output_text.logprobs"]}).encode())
EVENTS: TypeAdapter = TypeAdapter(ResponseStreamEvent)

TEXTS = st.lists(st.sampled_from(["a", "b ", ""]), max_size=3)
CALLS = st.lists(st.lists(st.sampled_from(["{", "}", '"n":1']), max_size=3), max_size=3)
ENDS = st.sampled_from([pb.FINISH_REASON_STOP, pb.FINISH_REASON_LENGTH])


def token(text):
    return pb.TokenLogprob(token=text.encode(), logprob=-1)


def parts_of(texts, calls, reason):
    """A completion in parts: its text, its calls, its end."""
    yield from (part(text, logprobs=[] if calls else [token(text)]) for text in texts)
    for index, pieces in enumerate(calls):
        yield part("", tool_calls=[pb.ToolCallDelta(index=index, id=f"c{index}", name="add")])
        yield from (part("", tool_calls=[pb.ToolCallDelta(index=index, arguments_json=piece)]) for piece in pieces)
    yield last_part(finish_reason=reason)


def whole_of(texts, calls, reason):
    """The same completion whole."""
    return pb.RunResponse(
        served_model=DEMO,
        text="".join(texts),
        tool_calls=[
            pb.ToolCall(id=f"c{index}", name="add", arguments_json="".join(pieces))
            for index, pieces in enumerate(calls)
        ],
        logprobs=[] if calls else [token(text) for text in texts],
        finish_reason=reason,
        usage=USAGE,
    )


def at_no_time(response):
    return {**response, "created_at": 0, "completed_at": None}


@given(TEXTS, CALLS, ENDS)
def test_a_stream_ends_with_the_response_that_a_whole_answer_is(texts, calls, reason):
    answer = ResponseAnswer(ASKED, REQUEST_ID)
    events = read_named_events(b"".join(map(answer.events, parts_of(texts, calls, reason))))
    whole = ResponseAnswer(ASKED, REQUEST_ID).whole(whole_of(texts, calls, reason))
    assert answer.has_ended
    assert at_no_time(events[-1][1]["response"]) == at_no_time(whole)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))


@given(TEXTS, CALLS, ENDS)
def test_openais_own_accumulator_finds_nothing_wrong_and_the_same_items(texts, calls, reason):
    answer = ResponseAnswer(ASKED, REQUEST_ID)
    events = read_named_events(b"".join(map(answer.events, parts_of(texts, calls, reason))))
    state: ResponseStreamState = ResponseStreamState(input_tools=[], text_format=omit)
    for _, event in events:
        state.handle_event(EVENTS.validate_python(event))
    done = [event["item"] for name, event in events if name == "response.output_item.done"]
    assert events[-1][1]["response"]["output"] == done
    begun = [event["item"]["id"] for name, event in events if name == "response.output_item.added"]
    assert [item["id"] for item in done] == begun
    assert len(set(begun)) == len(begun)
