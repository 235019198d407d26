"""`runstream chat` on a pseudo-terminal, and as a filter."""

import json
import os
import resource
import stat

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from tests.support.fake_service import failure, last_part, part
from tests.support.running_bridge import running_bridge
from tests.support.terminals import READY, runstream, terminal

CTRL_C, CTRL_D, ENTER, UP = "\x03", "\x04", "\r", "\x1b[A"


def contents(request):
    """What each message of a request says."""
    return ["".join(part.text for part in message.content) for message in request.conversation.messages]


@pytest.fixture
def state(tmp_path):
    """The folder for the history."""
    return tmp_path / "state"


async def test_a_conversation_is_remembered_and_ctrl_d_leaves(fake, state):
    with terminal("chat", "--target", fake.target, "-s", "Be brief.", state=state) as screen:
        for question in ("where?", "and then?"):
            await screen.until(READY)
            screen.type(question + ENTER)
            await screen.until("New York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.requests[1]) == ["Be brief.", "where?", "New York", "and then?"]
    assert [message.role for message in fake.requests[1].conversation.messages][-2:] == ["assistant", "user"]


@pytest.mark.parametrize("way", ["gRPC", "REST"])
@pytest.mark.parametrize("flags", [[], ["--plain"]], ids=["rendered", "plain"])
async def test_ctrl_c_stops_the_answer_on_the_server_and_not_the_program(fake, state, way, flags):
    fake.gate.clear()
    async with running_bridge(Config(service=fake.target, shutdown_grace_s=0.0)) as bridge:
        place = ["--target", fake.target] if way == "gRPC" else ["--url", bridge.url]
        with terminal("chat", *place, *flags, state=state) as screen:
            await screen.until(READY)
            screen.type("where?" + ENTER)
            await screen.until("New")
            screen.type(CTRL_C)
            await screen.until("(stopped)")
            await fake.cancelled.wait()
            fake.gate.set()
            await screen.until(READY)
            screen.type("again" + ENTER)
            await screen.until("York")
            await screen.until(READY)
            screen.type(CTRL_D)
            assert await screen.end() == 0
    assert contents(fake.requests[1]) == ["where?", "New", "again"]


async def test_ctrl_c_at_the_prompt_drops_the_line(fake, state):
    with terminal("chat", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("not this")
        await screen.until("this")
        screen.type(CTRL_C)
        await screen.until(READY)
        screen.type("this one" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.request) == ["this one"]


async def test_history_is_kept_for_the_next_time_and_for_this_user_alone(fake, state):
    for typed in ("where is it?" + ENTER, UP + ENTER):
        with terminal("chat", "--target", fake.target, state=state) as screen:
            await screen.until(READY)
            screen.type(typed)
            await screen.until("York")
            await screen.until(READY)
            screen.type(CTRL_D)
            assert await screen.end() == 0
    assert [contents(request) for request in fake.requests] == [["where is it?"]] * 2
    assert stat.S_IMODE((state / "runstream/history").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["link to a file", "link to a device", "pipe", "full disk"])
async def test_a_history_that_cannot_be_written_is_told_once_and_the_chat_goes_on(fake, state, kind):
    (state / "runstream").mkdir(parents=True)
    history, other = state / "runstream/history", state / "other"
    other.write_text("another's")
    other.chmod(0o644)
    if kind == "pipe":
        os.mkfifo(history)
    elif kind != "full disk":
        history.symlink_to(other if kind == "link to a file" else "/dev/full")
    command = ["chat", "--target", fake.target]
    with terminal(*command, state=state) as screen:
        if kind == "full disk":  # no file of this process may grow beyond its first byte
            await screen.until(READY)
            resource.prlimit(screen.process.pid, resource.RLIMIT_FSIZE, (1, 1))
            screen.type("before" + ENTER)
            await screen.until("York")
        await screen.until("(what you type is not kept: ")
        for _ in range(2):
            await screen.until(READY)
            screen.type("where?" + ENTER)
            await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert screen.screen.count("is not kept") == 1
    assert "Traceback" not in screen.screen
    assert (other.read_text(), stat.S_IMODE(other.stat().st_mode)) == ("another's", 0o644)


async def test_nothing_is_kept_where_it_is_not_wanted(fake, state):
    with terminal("chat", "--no-history", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("secret" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert not state.exists()


async def test_escape_sequences_of_the_model_are_shown_and_not_obeyed(fake, state):
    texts = [
        "a\x1b]0;title\x07",
        "b\x9b2J",
        " &#27;[31mred &#x9d;",
        " [link](https://example.org/&#27;c)",
        "\u202eodd end",
    ]
    fake.parts = [*map(part, texts), last_part()]
    for flags in ([], ["--plain"]):
        with terminal("chat", *flags, "--target", fake.target, state=state) as screen:
            await screen.until(READY)
            screen.type("where?" + ENTER)
            await screen.until("\\u202eodd end")
            await screen.until(READY)
            screen.type(CTRL_D)
            await screen.end()
        for obeyed in ("\x1b]0;title", "\x9b", "\x1b[31mred", "\x9d", "\x1bc", "\x1b]8;", "\u202e", "\x07"):
            assert obeyed not in screen.screen
        assert "a\\x1b]0;title\\x07" in screen.screen
        assert "b\\x9b2J" in screen.screen


async def test_markdown_is_rendered_on_a_terminal(fake, state):
    fake.parts = [part("# Cit"), part("ies\n\nsome **bold** words\n\n```py\nx = 1\n"), last_part("```\n\n- at the end")]
    with terminal("chat", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("where?" + ENTER)
        await screen.until("• ")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert "\x1b[1mbold\x1b[0m" in screen.screen
    assert "**bold**" not in screen.screen
    assert "```" not in screen.screen


async def test_an_error_is_told_and_the_question_taken_back(fake, state):
    fake.parts, parts = [], fake.parts
    fake.status = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "too many\x1b[2J wait", retry_after_s=3)
    with terminal("chat", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("where?" + ENTER)
        await screen.until("too many\\x1b[2J wait; ask again in 3 s")
        fake.parts, fake.status = parts, None
        await screen.until(READY)
        screen.type("again" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.requests[1]) == ["again"]


async def test_a_text_may_begin_with_a_slash(fake, state):
    with terminal("chat", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("/nothing" + ENTER)
        await screen.until("there is no /nothing: /help lists what there is")
        await screen.until(READY)
        screen.type("//where?" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.request) == ["/where?"]


async def test_a_pasted_byte_that_is_no_utf_8_is_told_and_the_chat_goes_on(fake, state):
    with terminal("chat", "--target", fake.target, state=state) as screen:
        await screen.until(READY)
        screen.type("a\udcff" + ENTER)
        await screen.until("messages[0].content can't be")
        await screen.until(READY)
        screen.type("again" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.request) == ["again"]


def test_without_a_terminal_it_is_a_filter(running_stack, tmp_path):
    lines = "where is new york?\n/system Be brief.\n/save said.json\n/model\nhello\n"
    saved = tmp_path / "said.json"
    done = runstream(
        "chat", "--target", running_stack.service_address, stdin=lines.replace("said.json", str(saved)), state=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    answer, system, _, models, *_ = done.stdout.splitlines()
    assert "New York" in answer
    assert (system, models) == ("the system prompt is set", "* @runstream/demo")
    said = json.loads(saved.read_text())["messages"]
    assert [message["role"] for message in said] == ["system", "user", "assistant"]
    assert said[2]["content"] == answer
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_a_filter_ends_with_the_first_failure(running_stack, tmp_path):
    place = ("--target", running_stack.service_address)
    done = runstream("chat", *place, "-m", "@no/such", stdin="a\nb\n", state=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1


def test_model_and_clear_and_help(running_stack, tmp_path):
    other = "@cf/meta/llama-2-7b-chat-int8"
    lines = f"hello\n/clear\n/save {tmp_path}/empty\n/model {other}\n/model @no/such\n/help\n/save\n/system\n"
    done = runstream("chat", "--url", running_stack.url, stdin=lines, state=tmp_path)
    told = done.stdout.splitlines()
    assert told[1:5] == [
        "forgotten",
        "nothing was said yet",
        f"{other} answers from now on",
        "there is no model @no/such: /model lists them",
    ]
    assert told[-2:] == ["/save needs the name of a file", "there is no system prompt: /system TEXT sets one"]


async def test_a_request_holds_what_the_options_say(fake, tmp_path):
    with terminal("chat", "--target", fake.target, "--temperature", "0", "--stop", "x", state=tmp_path) as screen:
        await screen.until(READY)
        screen.type("a\x1b\rb" + ENTER)
        await screen.until("York")
        await screen.until(READY)
        screen.type(CTRL_D)
        assert await screen.end() == 0
    assert contents(fake.request) == ["a\nb"]
    assert fake.request.sampling_params == pb.SamplingParams(temperature=0.0)
    assert list(fake.request.stop_sequences) == ["x"]
