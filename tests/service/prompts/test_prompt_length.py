"""Prompts that can't fit are refused by their length, long ones take turns, and no prompt that fits is refused."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb

import service.templates
from service.errors import ContextWindowExceededError
from service.prompts.prompt_length import LONG_PROMPTS, MAX_SHORT_BYTES
from service.prompts.tokenizer import Chat
from service.requests.checks import check_request
from service.requests.request_sizes import MAX_PROMPT_CHARACTERS
from tests.support.running_service import MODEL, RunningService, error_info
from tests.support.tokenizers import CHAT_TEMPLATE, byte_fallback_tokenizer, byte_level_tokenizer, save_tokenizer

TEMPLATES = {
    "the tests'": CHAT_TEMPLATE,
    "Llama 2's": (Path(service.templates.__path__[0]) / "llama-2.jinja").read_text(),
    "without reasoning": "{% for message in messages %}{{ message.content.split('</think>')[-1] }}{% endfor %}.",
    "only beginnings": "{% for message in messages %}{{ message.content[:5] }}{% endfor %}.",
    "shortened": "{% for message in messages %}{{ message.content | truncate(9) }}{% endfor %}.",
}
TOKENIZERS = {"byte fallback": byte_fallback_tokenizer, "byte level": byte_level_tokenizer}
NOT_RENDERED = "{{ raise_exception('it was rendered') }}"
TOO_LONG = r"The number of input tokens \(more than 100\) exceeded this model's limit \(100\)"


class Observed:
    """A tokenizer that counts what is rendered."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.num_rendered = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def apply_chat_template(self, *messages: Any, **options: Any) -> Any:
        self.num_rendered += 1
        return self._tokenizer.apply_chat_template(*messages, **options)


def conversation(*texts: str, raw: bool = False, **fields: Any) -> pb.RunRequest:
    roles = ("user", "assistant") * len(texts)
    messages = [
        pb.Message(role=role, content=[pb.ContentPart(text=text)]) for role, text in zip(roles, texts, strict=False)
    ]
    return pb.RunRequest(conversation=pb.Conversation(messages=messages, raw=raw), **fields)


def prompt(text: str, raw: bool = False) -> pb.RunRequest:
    return pb.RunRequest(prompt=pb.Prompt(text=text, raw=raw))


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    def load(template: str = CHAT_TEMPLATE, tokenizer=byte_level_tokenizer, tool_call_format: str = "") -> Chat:
        return Chat.load(save_tokenizer(tmp_path_factory.mktemp("chat"), tokenizer(), template), tool_call_format)

    return load


@pytest.fixture(scope="module", params=TEMPLATES)
def template(request) -> str:
    return TEMPLATES[request.param]


@pytest.fixture(scope="module")
def chats(template, load) -> dict[str, Chat]:
    return {name: load(template, tokenizer) for name, tokenizer in TOKENIZERS.items()}


PIECES = [
    "</s>",
    "<s>",
    " " * 50,
    "\n\n",
    "</think>",
    "a",
    "friends ",
    "ü",
    "\u3000",
    "Where is New York?",
    "aaaaaaaaaaaaaaaaaaaa",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), min_size=1, max_size=12).map(
    lambda pieces: "".join(pieces) * 60
)


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), raw=st.booleans(), name=st.sampled_from(list(TOKENIZERS)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_prompt_that_fits_is_refused(chats, template, texts, raw, name):
    if "[:5]" in template or "truncate" in template:
        # Such a template would also cut what stands for special tokens, which is drawn anew each time.
        texts = [text.replace("<", "") for text in texts]
    request = conversation(*texts, raw=raw)
    token_ids = await chats[name].encode(request)
    assert await chats[name].encode(request, "", len(token_ids)) == token_ids


LONG = "word " * 20_000
CALLS = [pb.ToolCall(name="add", arguments_json='{"text": "' + LONG + '"}')]
TOO_LONG_REQUESTS = {
    "a prompt": prompt(LONG),
    "a raw prompt": prompt(LONG, raw=True),
    "a message": conversation("hi", LONG),
    "parts of messages": conversation(*["word " * 100] * 200),
    "raw messages": conversation("hi", LONG, raw=True),
    "arguments of calls": pb.RunRequest(
        conversation=pb.Conversation(messages=[pb.Message(role="assistant", tool_calls=CALLS)])
    ),
    "a description of a tool": conversation("hi", tools=[pb.Tool(name="add", description=LONG)]),
}


@pytest.mark.parametrize("name", TOO_LONG_REQUESTS)
async def test_what_can_not_fit_is_refused_before_it_is_rendered(load, name):
    with pytest.raises(ContextWindowExceededError, match=TOO_LONG) as caught:
        await load(NOT_RENDERED).encode(TOO_LONG_REQUESTS[name], "", 100)
    assert caught.value.field == "input"


@pytest.mark.parametrize(
    "request_",
    [
        conversation("hi", tools=[pb.Tool(name="add", parameters_json='{"title": "' + LONG[:60_000] + '"}')]),
        conversation(*["</s>"] * 2000),
        conversation("</s>" * 2000),
    ],
    ids=["a tool's parameters", "special tokens", "special tokens in one text"],
)
async def test_what_is_known_only_once_it_is_rendered_is_refused_then(load, request_):
    chat = load(TEMPLATES["without reasoning"])
    with pytest.raises(ContextWindowExceededError, match=TOO_LONG):
        await chat.encode(request_, "", 100)


async def test_a_prompt_of_any_number_of_tokens_may_be_counted(load):
    assert len(await load().encode(prompt(LONG))) > 20_000


def test_all_texts_together_have_a_limit_of_characters():
    half = "a" * (MAX_PROMPT_CHARACTERS // 2)
    check_request(conversation(half, half))
    for request in (conversation(half, half, "a"), prompt("a" + half + half), prompt("ü" + half + half, raw=True)):
        with pytest.raises(ContextWindowExceededError, match=rf"{MAX_PROMPT_CHARACTERS} are the most"):
            check_request(request)


def test_that_limit_counts_calls_and_descriptions():
    text = "a" * (MAX_PROMPT_CHARACTERS - 100)
    request = conversation(text, tools=[pb.Tool(name="add", description="d" * 101)])
    with pytest.raises(ContextWindowExceededError):
        check_request(request)
    request = conversation(text, "hi")
    request.conversation.messages[1].tool_calls.add(name="add", arguments_json='{"a": "' + "a" * 100 + '"}')
    with pytest.raises(ContextWindowExceededError):
        check_request(request)


@pytest.fixture
def held():
    """Holds the turn of long prompts until a test lets it go."""
    event = threading.Event()
    holding = LONG_PROMPTS.submit(event.wait, 30)
    yield event
    event.set()
    holding.result()


@pytest.fixture
def observed(load) -> Observed:
    return Observed(load()._tokenizer)


async def test_short_prompts_do_not_wait_behind_long_ones(held, observed):
    chat = Chat(observed, frozenset())
    long = asyncio.create_task(chat.encode(prompt("a" * (MAX_SHORT_BYTES + 1))))
    for size in (1, 5_000, MAX_SHORT_BYTES - 100):
        await chat.encode(prompt("a" * size))
    assert not long.done()
    held.set()
    assert len(await long) > MAX_SHORT_BYTES / 10


async def test_a_long_prompt_whose_caller_left_before_its_turn_is_neither_rendered_nor_tokenized(held, observed):
    chat = Chat(observed, frozenset())
    await chat.encode(prompt("hi"))  # which finds out what the template does
    before = observed.num_rendered
    left = asyncio.create_task(chat.encode(prompt("a" * (MAX_SHORT_BYTES + 1))))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    held.set()
    await chat.encode(prompt("a" * (MAX_SHORT_BYTES + 1)))
    assert observed.num_rendered == before + 1


async def test_what_can_not_fit_needs_no_turn(held, load):
    with pytest.raises(ContextWindowExceededError):
        await load().encode(prompt("word " * 50_000), "", 100)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_message_of_fifteen_megabytes_is_refused_by_its_length(running: RunningService):
    for request in (prompt("a" * 15_000_000), prompt("word " * 3_000_000, raw=True), conversation("ü" * 7_000_000)):
        request.model = MODEL
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.text_generation.Run(request)
        assert error_info(caught.value).reason == "CONTEXT_WINDOW_EXCEEDED"
