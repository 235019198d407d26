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
from tests.support.fake_service import DEMO, last_part, part
from tests.support.openai_asking import RESPONSE, parse_responses, read_named_events

REQUEST_ID = "0f3c2d4e-0000-4000-8000-000000000001"
ASKED = parse_responses(json.dumps({**RESPONSE, "include": ["message.output_text.logprobs"]}).encode())
EVENTS: TypeAdapter = TypeAdapter(ResponseStreamEvent)

TEXTS = st.lists(st.sampled_from(["a", "b ", ""]), max_size=3)
CALLS = st.lists(st.lists(st.sampled_from(["{", "}", '"n":1']), max_size=3), max_size=3)
THOUGHTS = st.lists(st.sampled_from(["x", "y "]), max_size=2)
ENDS = st.sampled_from([pb.FINISH_REASON_STOP, pb.FINISH_REASON_LENGTH])


def token(text):
    return pb.TokenLogprob(token=text.encode(), logprob=-1)


def parts_of(thoughts, texts, calls, reason):
    """A completion in parts: its thinking, its text, its calls, its end."""
    yield from (part("", reasoning_content=text, logprobs=[] if calls else [token(text)]) for text in thoughts)
    yield from (part(text, logprobs=[] if calls else [token(text)]) for text in texts)
    for index, pieces in enumerate(calls):
        yield part("", tool_calls=[pb.ToolCallDelta(index=index, id=f"c{index}", name="add")])
        yield from (part("", tool_calls=[pb.ToolCallDelta(index=index, arguments_json=piece)]) for piece in pieces)
    yield last_part(finish_reason=reason, usage=usage_of(thoughts))


def usage_of(thoughts):
    return pb.Usage(prompt_tokens=7, completion_tokens=9, reasoning_tokens=len(thoughts))


def whole_of(thoughts, texts, calls, reason):
    """The same completion whole."""
    return pb.RunResponse(
        served_model=DEMO,
        reasoning_content="".join(thoughts),
        text="".join(texts),
        tool_calls=[
            pb.ToolCall(id=f"c{index}", name="add", arguments_json="".join(pieces))
            for index, pieces in enumerate(calls)
        ],
        logprobs=[] if calls else [token(text) for text in (*thoughts, *texts)],
        finish_reason=reason,
        usage=usage_of(thoughts),
    )


def at_no_time(response):
    return {**response, "created_at": 0, "completed_at": None}


@given(THOUGHTS, TEXTS, CALLS, ENDS)
def test_a_stream_ends_with_the_response_that_a_whole_answer_is(thoughts, texts, calls, reason):
    answer = ResponseAnswer(ASKED, REQUEST_ID)
    events = read_named_events(b"".join(map(answer.events, parts_of(thoughts, texts, calls, reason))))
    whole = ResponseAnswer(ASKED, REQUEST_ID).whole(whole_of(thoughts, texts, calls, reason))
    assert answer.has_ended
    assert at_no_time(events[-1][1]["response"]) == at_no_time(whole)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))


@given(THOUGHTS, TEXTS, CALLS, ENDS)
def test_openais_own_accumulator_finds_nothing_wrong_and_the_same_items(thoughts, texts, calls, reason):
    answer = ResponseAnswer(ASKED, REQUEST_ID)
    events = read_named_events(b"".join(map(answer.events, parts_of(thoughts, texts, calls, reason))))
    state: ResponseStreamState = ResponseStreamState(input_tools=[], text_format=omit)
    for _, event in events:
        state.handle_event(EVENTS.validate_python(event))
    done = [event["item"] for name, event in events if name == "response.output_item.done"]
    assert events[-1][1]["response"]["output"] == done
    begun = [event["item"]["id"] for name, event in events if name == "response.output_item.added"]
    assert [item["id"] for item in done] == begun
    assert len(set(begun)) == len(begun)


def types_of(**fields):
    response = ResponseAnswer(ASKED, REQUEST_ID).whole(pb.RunResponse(served_model=DEMO, **fields))
    return [item["type"] for item in response["output"]]


def test_an_answer_has_a_message_unless_it_calls_or_was_cut_while_it_thought():
    cut = pb.FINISH_REASON_LENGTH
    assert types_of(finish_reason=pb.FINISH_REASON_STOP) == types_of(finish_reason=cut) == ["message"]
    assert types_of(finish_reason=pb.FINISH_REASON_STOP, reasoning_content="x") == ["reasoning", "message"]
    assert types_of(finish_reason=cut, reasoning_content="x") == ["reasoning"]
    call = [pb.ToolCall(id="c", name="add", arguments_json="{}")]
    assert types_of(finish_reason=pb.FINISH_REASON_TOOL_CALLS, tool_calls=call) == ["function_call"]


def test_tokens_of_thinking_that_is_empty_are_not_told_either():
    tokens = [token(text) for text in ("<think>", "</think>", "hi")]
    usage = pb.Usage(completion_tokens=3, reasoning_tokens=2)
    whole = ResponseAnswer(ASKED, REQUEST_ID).whole(
        pb.RunResponse(served_model=DEMO, text="hi", logprobs=tokens, usage=usage, finish_reason=pb.FINISH_REASON_STOP)
    )
    answer = ResponseAnswer(ASKED, REQUEST_ID)
    parts = [part("", logprobs=tokens[:2]), part("hi", logprobs=tokens[2:]), last_part(usage=usage)]
    events = read_named_events(b"".join(map(answer.events, parts)))
    for response in (whole, events[-1][1]["response"]):
        assert [entry["token"] for entry in response["output"][0]["content"][0]["logprobs"]] == ["hi"]
