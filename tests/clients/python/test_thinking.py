"""What a model thinks, in the Python client and in the terminal: apart from the answer, and folded away."""

import json

import pytest
from runstream import AsyncClient, Message, make_request
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from tests.support.fake_service import DEMO, FakeService, last_part, part
from tests.support.running_bridge import running_bridge
from tests.support.terminals import READY, runstream_async, terminal

COUNTED = pb.Usage(prompt_tokens=7, completion_tokens=9, reasoning_tokens=4)
PARTS = [
    part("", reasoning_content="A "),
    part("", reasoning_content="city."),
    part("New "),
    last_part("York", usage=COUNTED),
]
QUESTION = "where?"


@pytest.fixture
def thinking(fake: FakeService) -> FakeService:
    """A service whose model thinks."""
    fake.answer.text, fake.answer.reasoning_content = "New York", "A city."
    fake.answer.usage.CopyFrom(COUNTED)
    fake.parts = PARTS
    return fake


async def test_results_parts_and_streams_have_thinking_apart(thinking):
    async with AsyncClient(thinking.target) as client:
        result = await client.run(DEMO, prompt="p")
        stream = client.stream(DEMO, prompt="p")
        parts = [(each.reasoning_content, each.text) async for each in stream]
        streamed = await stream.result()
    assert (result.reasoning_content, result.text, result.usage.reasoning_tokens) == ("A city.", "New York", 4)
    assert parts == [("A ", ""), ("city.", ""), ("", "New "), ("", "York")]
    assert (stream.reasoning_content, streamed.reasoning_content) == ("A city.", "A city.")
    assert streamed.usage == result.usage
    assert result.message.reasoning_content == "A city."


@pytest.mark.parametrize("way", ["--target", "--url"])
@pytest.mark.parametrize("stream", ["--stream", "--no-stream"])
async def test_run_writes_the_answer_and_thinking_elsewhere_if_asked(thinking, way, stream):
    async with running_bridge(Config(service=thinking.target, shutdown_grace_s=0.0)) as bridge:
        asked = ["run", way, thinking.target if way == "--target" else bridge.url, "-m", DEMO, stream, QUESTION]
        done = await runstream_async(*asked)
        shown = await runstream_async(*asked, "--show-thinking", "--no-thinking", "--reasoning-effort", "low")
    assert (done.stdout, done.stderr) == ("New York\n", "")
    assert (shown.stdout, shown.stderr) == ("New York\n", "A city.\n")
    last = thinking.requests[-1]
    assert (json.loads(last.chat_template_kwargs_json), last.reasoning_effort) == ({"enable_thinking": False}, "low")


async def test_json_has_thinking_in_a_field_of_its_own(thinking):
    done = await runstream_async("run", "--target", thinking.target, "-m", DEMO, "--json", QUESTION)
    answer = json.loads(done.stdout)
    assert (answer["text"], answer["reasoning_content"]) == ("New York", "A city.")
    assert answer["usage"]["reasoning_tokens"] == 4


async def test_a_chat_folds_thinking_away_until_it_is_asked_for(thinking, tmp_path):
    with terminal("chat", "--target", thinking.target, state=tmp_path) as screen:
        await screen.until(READY)
        screen.type(QUESTION + "\r")
        await screen.until("(thinking; /thinking tells what")
        await screen.until("York")
        await screen.until(READY)
        assert "A city." not in screen.screen
        screen.type("/thinking\r")
        await screen.until("A city.")
        await screen.until(READY)
        screen.type("\x04")
        assert await screen.end() == 0
    (question,) = thinking.requests
    assert [message.reasoning_content for message in question.conversation.messages] == [""]


def test_variables_of_the_template_and_past_thinking_are_sent():
    kwargs = {"enable_thinking": False, "ton": "höflich"}
    said = [Message("assistant", "Hello", reasoning_content="I greet."), Message("user", "Hi")]
    request = make_request("m", messages=said, chat_template_kwargs=kwargs)
    assert request.chat_template_kwargs_json == '{"enable_thinking": false, "ton": "höflich"}'
    assert [message.reasoning_content for message in request.conversation.messages] == ["I greet.", ""]
    with pytest.raises(TypeError, match="chat_template_kwargs is 'no': give a dict"):
        make_request("m", prompt="p", chat_template_kwargs="no")  # type: ignore[arg-type]
