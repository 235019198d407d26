"""Where thinking begins, as templates of both kinds leave it, and past thinking as they want it."""

from dataclasses import replace
from pathlib import Path

import pytest
from runstream.v1 import text_generation_pb2 as pb

from service.engine_protocol.thinking import Thinking
from service.prompts.thinking import find_thinking, thinking_behind
from service.prompts.tokenizer import Chat
from tests.support.real_tokenizers import QWEN_3, published
from tests.support.reasoning import TEMPLATES, save_model, tokenizer_that_thinks
from tests.support.tokenizers import CHAT_TEMPLATE, byte_level_tokenizer, save_tokenizer

CLOCK = pb.ToolCall(id="1", name="clock", arguments_json="{}")
NOT_NOW = '{"enable_thinking": false}'


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chat]:
    return {name: Chat.load(save_model(tmp_path_factory.mktemp(name), name)) for name in TEMPLATES}


def said(role: str, text: str, **fields) -> pb.Message:
    return pb.Message(role=role, content=[pb.ContentPart(text=text)], **fields)


def asked(*messages: pb.Message, ends: bool = True, **fields) -> pb.RunRequest:
    conversation = pb.Conversation(messages=messages, continue_final_message=not ends)
    return pb.RunRequest(conversation=conversation, **fields)


async def behind(chat: Chat, request: pb.RunRequest) -> str:
    thinking = thinking_behind(request, await chat.encode(request), chat.thinking, chat.vocabulary)
    return "answer" if thinking is None else "thinking" if thinking.is_open else "either"


USER = said("user", "Hi </think> <think>")


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        ("qwen3", asked(USER), "either"),
        ("qwen3", asked(USER, chat_template_kwargs_json=NOT_NOW), "answer"),
        ("qwen3", pb.RunRequest(prompt=pb.Prompt(text="Hi")), "either"),
        ("qwen3", pb.RunRequest(prompt=pb.Prompt(text="<think>", raw=True)), "answer"),
        ("qwen3", asked(USER, said("assistant", "So"), ends=False), "answer"),
        ("qwen3", asked(USER, said("assistant", "<think>So"), ends=False), "thinking"),
        ("qwen3", asked(USER, said("assistant", "<think>So</think>I"), ends=False), "answer"),
        ("r1", asked(USER), "thinking"),
        ("r1", asked(USER, truncate_prompt_tokens=4), "thinking"),
    ],
)
async def test_the_prompt_tells_where_the_thinking_begins(chats, name, request_, expected):
    chat = chats[name]
    assert await behind(chat, request_) == expected
    chat.thinking, tokens = replace(chat.thinking, begin_token_id=None, end_token_id=None), chat.thinking
    assert await behind(chat, request_) == expected, "the same where the markers are no tokens"
    chat.thinking = tokens


def test_how_a_model_thinks_is_found_in_its_template_or_said_by_the_catalog():
    tokenizer = tokenizer_that_thinks()
    ids = tokenizer.token_to_id("<think>"), tokenizer.token_to_id("</think>")
    think = Thinking("<think>", "</think>", *ids)
    for template in TEMPLATES.values():
        assert find_thinking("", [CHAT_TEMPLATE, template], tokenizer) == think
        assert find_thinking("none", [template], tokenizer) is None
    assert find_thinking("", [CHAT_TEMPLATE], tokenizer) is None
    assert find_thinking("think", [CHAT_TEMPLATE], tokenizer) == think
    assert find_thinking("", ["... [/THINK]"], tokenizer) == Thinking("[THINK]", "[/THINK]")
    assert find_thinking("think", [], byte_level_tokenizer()) == Thinking("<think>", "</think>")


async def test_past_thinking_is_written_where_the_template_wants_it(chats):
    thought = {"reasoning_content": "I greet."}
    last = asked(USER, said("assistant", "Hello", **thought), ends=False)
    earlier = asked(USER, said("assistant", "Hello", **thought), USER)
    texts = {}
    for name, chat in chats.items():
        texts[name] = [chat.vocabulary.decode(await chat.encode(request)) for request in (last, earlier)]
    assert texts["qwen3"][0].endswith("<think>\nI greet.\n</think>\n\nHello")
    assert "I greet." not in texts["qwen3"][1] + "".join(texts["r1"])


async def test_a_template_without_tools_is_told_past_thinking_too(tmp_path: Path):
    template = CHAT_TEMPLATE.replace("message.content | trim", "(message.reasoning_content or '') + message.content")
    chat = Chat.load(save_tokenizer(tmp_path, byte_level_tokenizer(512), template))
    request = asked(said("user", "a"), said("assistant", "c", reasoning_content="b"), said("user", "d"))
    assert "assistant: bc" in chat.vocabulary.decode(await chat.encode(request))


async def test_qwen3_s_own_template_and_tokenizer_do_as_the_tiny_one():
    chat = Chat.load(published(QWEN_3))
    assert chat.thinking == Thinking("<think>", "</think>", 151_667, 151_668)
    assert await behind(chat, asked(USER)) == "either"
    assert await behind(chat, asked(USER, chat_template_kwargs_json=NOT_NOW)) == "answer"
    assert await behind(chat, asked(USER, reasoning_effort="none")) == "answer"
    thought = said("assistant", "Let me look.", reasoning_content="I need the clock.", tool_calls=[CLOCK])
    told = asked(USER, thought, said("tool", "noon", tool_call_id="1"), tools=[pb.Tool(name="clock")])
    assert "<think>\nI need the clock.\n</think>" in chat.vocabulary.decode(await chat.encode(told))
    later = asked(*told.conversation.messages, said("assistant", "Noon."), USER, tools=told.tools)
    assert "I need the clock." not in chat.vocabulary.decode(await chat.encode(later))
