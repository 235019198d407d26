"""What a conversation of items is to a chat template, and where its faults are told."""

import json

import pytest

from bridge.errors import AiError
from bridge.spelling import respelled
from tests.support.openai_asking import RESPONSE, parse_responses

USER = {"role": "user", "content": "4 + 5?"}
CALL = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"n":[4,5]}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "9"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Let me ", "annotations": []}, {"type": "output_text", "text": "add."}],
}


def parse(**fields):
    return parse_responses(json.dumps({**RESPONSE, **fields}).encode())


def messages_of(**fields):
    """Role, text, ids of calls and answered call of each message."""
    return [
        (
            message.role,
            "".join(part.text for part in message.content),
            [call.id for call in message.tool_calls],
            message.tool_call_id,
        )
        for message in parse(**fields).request.conversation.messages
    ]


def test_a_text_is_what_the_user_says_and_instructions_stand_before_it():
    assert messages_of(input="hi") == [("user", "hi", [], "")]
    assert messages_of(input="hi", instructions="Be kind.") == [("system", "Be kind.", [], ""), ("user", "hi", [], "")]


def test_a_developer_is_a_system_and_types_of_messages_may_be_missing():
    items = [{"role": "developer", "content": "Be kind."}, {"type": "message", **USER}]
    assert messages_of(input=items) == [("system", "Be kind.", [], ""), ("user", "4 + 5?", [], "")]


def test_what_an_assistant_says_and_calls_is_one_message():
    second = {**CALL, "call_id": "c2"}
    assert messages_of(input=[USER, REASONING, SAID, CALL, second, OUTPUT, {**OUTPUT, "call_id": "c2"}]) == [
        ("user", "4 + 5?", [], ""),
        ("assistant", "Let me add.", ["c1", "c2"], ""),
        ("tool", "9", [], "c1"),
        ("tool", "9", [], "c2"),
    ]


def test_calls_of_two_turns_are_two_messages():
    items = [USER, CALL, OUTPUT, {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"}]
    assert [(role, ids) for role, _, ids, _ in messages_of(input=items)] == [
        *(("user", []), ("assistant", ["c1"]), ("tool", []), ("assistant", ["c2"]), ("tool", [])),
    ]


def test_an_output_may_be_parts_and_a_refusal_is_text():
    output = {**OUTPUT, "output": [{"type": "input_text", "text": "9"}, {"type": "input_text", "text": "!"}]}
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert [text for _, text, *_ in messages_of(input=[refusal, CALL, output])] == ["No.", "9!"]


def thoughts_of(*items):
    """Role, reasoning and text of each message."""
    messages = parse(input=[USER, *items]).request.conversation.messages[1:]
    return [(message.role, message.reasoning_content, len(message.tool_calls)) for message in messages]


def test_reasoning_belongs_to_what_the_assistant_says_or_calls_behind_it():
    assert thoughts_of(REASONING, SAID, CALL, OUTPUT) == [("assistant", "Hm.", 1), ("tool", "", 0)]
    assert thoughts_of(REASONING, CALL, OUTPUT, REASONING, SAID) == [
        *(("assistant", "Hm.", 1), ("tool", "", 0), ("assistant", "Hm.", 0)),
    ]
    assert thoughts_of(SAID, REASONING, CALL) == [("assistant", "Hm.", 1)]


def test_reasoning_that_led_to_nothing_is_a_message_alone():
    assert thoughts_of(REASONING) == [("assistant", "Hm.", 0)]
    assert thoughts_of(REASONING, USER) == [("assistant", "Hm.", 0), ("user", "", 0)]
    assert thoughts_of({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}) == []


@pytest.mark.parametrize(
    ("item", "where"),
    [
        ({"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, "/input/0/content/0"),
        ({"role": "user", "content": [{"type": "input_text", "text": "a", "image_url": "x"}]}, "/input/0/content/0"),
        ({"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}, "/input/0/content/0/type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "/input/0/content/0"),
        ({"role": "tool", "content": "9"}, "/input/0/role"),
        ({"role": "user"}, "/input/0"),
        ({"content": "hi"}, "/input/0"),
        ({"type": "item_reference", "id": "msg_1"}, "/input/0"),
        ({"type": "web_search_call", "id": "ws_1"}, "/input/0/type"),
        ({"type": "function_call", "name": "add", "arguments": "{}"}, "/input/0"),
        ({"type": "function_call", "name": None, "call_id": "c1", "arguments": "{}"}, "/input/0/name"),
        ({"type": "function_call_output", "call_id": "c1"}, "/input/0"),
        ({**OUTPUT, "output": [{"type": "input_image", "image_url": "x"}]}, "/input/0/output/0"),
    ],
)
def test_what_is_not_read_here_is_refused_where_it_stands(item, where):
    with pytest.raises(AiError) as caught:
        parse(input=[item])
    assert f"'{where}'" in caught.value.description or f"'{where}/" in caught.value.description


@pytest.mark.parametrize(
    ("made", "stands"),
    [
        ("/messages/0/role", "/instructions/role"),
        ("/messages/1/content", "/input/0/content"),
        ("/messages/2/role", "/input/2/role"),
        ("/messages/2/reasoning_content", "/input/1/content"),
        ("/messages/2/tool_calls/0/name", "/input/3/name"),
        ("/messages/2/tool_calls/1/arguments", "/input/4/arguments"),
        ("/messages/2/tool_calls/1/id", "/input/4/call_id"),
        ("/messages/3/content/0", "/input/5/output/0"),
        ("/messages/3/tool_call_id", "/input/5/call_id"),
        ("/max_tokens", "/max_output_tokens"),
        ("/reasoning_effort", "/reasoning/effort"),
        ("/response_format/json_schema", "/text/format/schema"),
    ],
)
def test_faults_that_the_service_finds_are_told_where_they_stand(made, stands):
    spelling = parse(input=[USER, REASONING, SAID, CALL, CALL, OUTPUT], instructions="Be kind.").spelling
    assert respelled(made, spelling) == stands
