"""What the JSON of a chat completion means."""

import json

import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.openai.schema import WITHOUT_EFFECT
from tests.support.openai_asking import CHAT, parse_chat

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
FUNCTION = {"name": "add", "description": "adds", "parameters": SCHEMA, "strict": True}


def parse(**fields):
    """The input of a chat completion with some fields."""
    return parse_chat(json.dumps({**CHAT, **fields}).encode())


def params(**fields):
    """The sampling parameters that some fields mean."""
    return parse(**fields).request.sampling_params


def refusal(**fields):
    """Why a chat completion with some fields is refused."""
    with pytest.raises(AiError) as caught:
        parse(**fields)
    return caught.value.description


def message(**fields):
    """The one message that some fields mean."""
    (one,) = parse(messages=[fields]).request.conversation.messages
    return one


def test_developers_are_systems():
    assert message(role="developer", content="be brief").role == "system"


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({"content": "a"}, ["a"]),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, ["a", "b"]),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, ["no"]),
        ({"content": None, "refusal": "no"}, ["no"]),
        ({"content": None}, []),
    ],
)
def test_content_may_have_any_of_openais_shapes(fields, texts):
    assert [part.text for part in message(role="assistant", **fields).content] == texts


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_images_and_sounds_are_refused_with_their_place(kind):
    expected = f"'/messages/0/content/0/type' is '{kind}', but the models here read only text"
    assert refusal(messages=[{"role": "user", "content": [{"type": kind, kind: {}}]}]) == expected


def test_a_part_must_have_what_its_type_says():
    expected = "required properties at '/messages/0/content/0' are 'type,text'"
    assert refusal(messages=[{"role": "user", "content": [{"type": "text"}]}]) == expected


def test_calls_and_results_of_tools_may_stand_in_the_conversation():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"n":4}'}}
    assert message(role="assistant", content=None, tool_calls=[call]).tool_calls == [
        pb.ToolCall(id="c1", name="add", arguments_json='{"n":4}')
    ]
    assert message(role="tool", tool_call_id="c1", content="5").tool_call_id == "c1"


def test_both_names_of_max_tokens_are_known():
    assert params(max_tokens=5).max_tokens == params(max_completion_tokens=5).max_tokens == 5
    assert params(max_tokens=5, max_completion_tokens=5).max_tokens == 5
    assert "'/max_tokens' differs" in refusal(max_tokens=5, max_completion_tokens=6)


def test_logprobs_ask_for_the_tokens_own_and_for_likely_ones():
    assert params(logprobs=True).HasField("top_logprobs")
    assert params(logprobs=True, top_logprobs=3).top_logprobs == 3
    assert not params(logprobs=False).HasField("top_logprobs")
    assert refusal(top_logprobs=3) == "'/top_logprobs' needs '/logprobs' to be true"


def test_tools_are_those_of_the_native_route():
    request = parse(tools=[{"type": "function", "function": FUNCTION}], tool_choice="required").request
    assert request.tools == [pb.Tool(name="add", description="adds", parameters_json=json.dumps(SCHEMA))]
    assert request.tool_choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED


@pytest.mark.parametrize("schema", [{"name": "sum", "schema": SCHEMA, "strict": True}, SCHEMA])
def test_a_schema_may_stand_in_openais_envelope_or_bare(schema):
    request = parse(response_format={"type": "json_schema", "json_schema": schema}).request
    assert json.loads(request.response_format.json_schema) == SCHEMA


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_a_schema_may_stand_beside_the_type(kind):
    request = parse(response_format={"type": kind, "schema": SCHEMA}).request
    assert json.loads(request.response_format.json_schema) == SCHEMA


def test_the_other_response_formats_are_free_text_and_any_object():
    assert not parse(response_format={"type": "text"}).request.HasField("response_format")
    assert parse(response_format={"type": "json_object"}).request.response_format.HasField("json_object")


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        ({"type": "json_schema"}, "required properties at '/response_format' are 'type,json_schema'"),
        ({"type": "json_schema", "json_schema": {"name": "sum"}}, "'/response_format/json_schema/schema' must be"),
        ({"type": "grammar"}, "'/response_format/type' must be one of"),
        ({"type": "text", "schema": {}}, "'/response_format' has a schema, but '/response_format/type' is 'text'"),
        ({"type": "json_object", "json_schema": {}, "schema": {}}, "'/response_format' has both"),
    ],
)
def test_a_response_format_without_its_schema_is_refused(response_format, expected):
    assert refusal(response_format=response_format).startswith(expected)


@pytest.mark.parametrize("name", ["functions", "function_call", "audio", "prediction", "web_search_options", "prompt"])
def test_what_is_not_there_is_refused_by_name(name):
    assert refusal(**{name: "x"}).startswith(f"'/{name}' is not supported, ")


def test_answers_in_other_modalities_are_refused():
    assert parse(modalities=["text"])
    assert refusal(modalities=["text", "audio"]) == "'/modalities' is not supported, answers are text"


def test_fields_without_effect_change_nothing():
    assert parse(**{name: {"any": "thing"} for name in WITHOUT_EFFECT}, unheard_of=1) == parse()


@pytest.mark.parametrize("n", [0, 9, 1.5, "2", True])
def test_there_are_1_to_8_choices(n):
    assert "'/n'" in refusal(n=n)


def test_every_violated_place_is_told_at_once():
    description = refusal(messages=[{"content": 1}], temperature="1", stop=[1])
    for place in ("/messages/0", "/messages/0/content", "/temperature", "/stop/0"):
        assert f"'{place}'" in description


def test_an_adapter_is_asked_for_by_name():
    assert parse(lora="mine").request.lora == "mine"
    assert "Length of '/lora' must be <= 128" in refusal(lora="x" * 129)


def test_a_null_stands_for_a_field_that_is_not_there():
    names = ["stop", "temperature", "tools", "tool_choice", "response_format", "stream", "n", "seed", "logprobs"]
    assert parse(**dict.fromkeys([*names, "functions", "audio"])) == parse()
