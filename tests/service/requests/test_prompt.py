"""Prompts that are token ids, that are cut, and that end otherwise than with the beginning of an answer."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runstream.v1 import text_generation_pb2 as pb
from transformers import PreTrainedTokenizerFast

from service.catalog import load_catalog
from service.errors import InvalidRequestError
from service.prompts.tokenizer import Chat
from service.requests.checks import check_request
from service.requests.prompt import MAX_PROMPT_TOKEN_IDS, check_prompt_token_ids, keep_prompt
from tests.support.tokenizers import CHAT_TEMPLATE, byte_level_tokenizer, save_tokenizer

KEEPS_SPACES = CHAT_TEMPLATE.replace(" | trim", "")
TEMPLATES = {
    "trims": CHAT_TEMPLATE,
    "keeps spaces": KEEPS_SPACES,
    **{
        Path(entry.chat_template).stem: Path(entry.chat_template).read_text()
        for entry in load_catalog().values()
        if entry.chat_template
    },
}
TEXTS = st.text("ab \n.é🙂", min_size=1, max_size=12).filter(str.strip)


@pytest.fixture(scope="module", params=TEMPLATES.values(), ids=list(TEMPLATES))
def templated(request, tmp_path_factory) -> tuple[Chat, PreTrainedTokenizerFast]:
    """A chat, and transformers' own tokenizer of the same checkpoint."""
    folder = save_tokenizer(tmp_path_factory.mktemp("chat"), byte_level_tokenizer(512), request.param)
    return Chat.load(folder), PreTrainedTokenizerFast.from_pretrained(folder)


def conversation(*turns: tuple[str, str], **how: Any) -> pb.RunRequest:
    messages = [pb.Message(role=role, content=[pb.ContentPart(text=text)]) for role, text in turns]
    return pb.RunRequest(conversation=pb.Conversation(messages=messages, **how))


def tokens(*values: int, **fields: Any) -> pb.RunRequest:
    return pb.RunRequest(prompt_token_ids=pb.TokenIds(values=values), **fields)


def rendered(tokenizer: PreTrainedTokenizerFast, *turns: tuple[str, str], **how: Any) -> list[int]:
    """The tokens that transformers makes of a conversation."""
    messages = [{"role": role, "content": text} for role, text in turns]
    text = tokenizer.apply_chat_template(messages, tokenize=False, **how)
    return tokenizer(text, add_special_tokens=False).input_ids


@given(question=TEXTS, answer=TEXTS)
async def test_a_continued_message_is_left_open_as_transformers_does_it(templated, question, answer):
    chat, tokenizer = templated
    turns = ("user", question), ("assistant", answer)
    ids = await chat.encode(conversation(*turns, continue_final_message=True))
    assert ids == rendered(tokenizer, *turns, continue_final_message=True)
    assert chat.vocabulary.detokenizer().push(ids).rstrip().endswith(answer.strip())


@pytest.mark.parametrize("adds", [False, True])
async def test_the_beginning_of_an_answer_is_added_or_not_as_transformers_does_it(templated, adds):
    chat, tokenizer = templated
    turns = ("user", "Hello"), ("assistant", "Hi."), ("user", "Bye")
    ids = await chat.encode(conversation(*turns, add_generation_prompt=adds))
    assert ids == rendered(tokenizer, *turns, add_generation_prompt=adds)
    if adds:
        assert ids == await chat.encode(conversation(*turns))


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Chat:
    return Chat.load(save_tokenizer(tmp_path_factory.mktemp("chat"), byte_level_tokenizer(512)))


async def test_a_users_last_message_can_be_continued_too(chat):
    ids = await chat.encode(conversation(("user", "Once upon"), continue_final_message=True))
    assert chat.vocabulary.detokenizer().push(ids) == "user: Once upon"


async def test_a_special_token_in_a_continued_message_is_only_text(chat):
    turns = ("user", "Hello"), ("assistant", "So</s>")
    ids = await chat.encode(conversation(*turns, continue_final_message=True))
    assert 2 not in ids
    assert chat.vocabulary.detokenizer().push(ids) == "user: Hello\nassistant: So</s>"


async def test_a_template_that_changes_the_last_message_is_told_without_the_prompt(tmp_path):
    shouting = Chat.load(save_tokenizer(tmp_path, byte_level_tokenizer(), CHAT_TEMPLATE.replace("trim", "lower")))
    with pytest.raises(InvalidRequestError, match="template doesn't write the last message so that") as caught:
        await shouting.encode(conversation(("user", "Secret"), continue_final_message=True))
    assert caught.value.field == "conversation.continue_final_message"
    assert "ecret" not in caught.value.message


async def test_tools_are_told_before_a_continued_message(chat):
    request = conversation(("user", "Time?"), ("assistant", "It is"), continue_final_message=True)
    request.tools.append(pb.Tool(name="clock"))
    text = chat.vocabulary.detokenizer().push(await chat.encode(request))
    assert '"clock"' in text
    assert text.endswith("assistant: It is")


async def test_token_ids_go_to_the_model_unchanged(chat):
    assert await chat.encode(tokens(7, 2, 7, 300), "Be nice.") == [7, 2, 7, 300]


@pytest.mark.parametrize(
    "request_", [tokens(*range(20)), conversation(("user", "Hello")), conversation(("a", "b" * 9), raw=True)]
)
@pytest.mark.parametrize("most", [1, 3, 20, 2**31 - 1])
async def test_a_cut_prompt_has_only_its_last_tokens(chat, request_, most):
    request = pb.RunRequest()
    request.CopyFrom(request_)
    whole = await chat.encode(request)
    request.truncate_prompt_tokens = most
    assert await chat.encode(request) == whole[-most:]


CONTINUED = ("user", "a"), ("assistant", "b")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (tokens(), "prompt_token_ids.values"),
        (tokens(*[5] * (MAX_PROMPT_TOKEN_IDS + 1)), "prompt_token_ids.values"),
        (tokens(5, truncate_prompt_tokens=0), "truncate_prompt_tokens"),
        (tokens(5, truncate_prompt_tokens=-1), "truncate_prompt_tokens"),
        (tokens(5, tools=[pb.Tool(name="clock")]), "tools"),
        (conversation(*CONTINUED, raw=True, add_generation_prompt=True), "conversation.add_generation_prompt"),
        (
            conversation(*CONTINUED, continue_final_message=True, add_generation_prompt=True),
            "conversation.add_generation_prompt",
        ),
        (conversation(*CONTINUED, raw=True, continue_final_message=True), "conversation.continue_final_message"),
        (conversation(("assistant", " \n"), continue_final_message=True), "conversation.continue_final_message"),
        (conversation(("tool", "5"), continue_final_message=True), "conversation.continue_final_message"),
        (conversation(("system", "5"), continue_final_message=True), "conversation.continue_final_message"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_or_not_be_together_is_refused_by_its_field(request_, field):
    with pytest.raises(InvalidRequestError) as caught:
        check_request(request_)
    assert caught.value.field == field


def test_a_message_with_calls_is_not_continued():
    request = conversation(*CONTINUED, continue_final_message=True)
    request.conversation.messages[-1].tool_calls.add(name="clock")
    with pytest.raises(InvalidRequestError, match="can't continue a message with tool calls"):
        check_request(request)


@pytest.mark.parametrize(
    "request_",
    [
        tokens(*[5] * MAX_PROMPT_TOKEN_IDS, truncate_prompt_tokens=1),
        conversation(*CONTINUED, continue_final_message=True, add_generation_prompt=False),
        conversation(*CONTINUED, raw=True, add_generation_prompt=False),
    ],
    ids=["tokens", "continued", "raw"],
)
def test_what_goes_together_is_taken(request_):
    check_request(request_)


@pytest.mark.parametrize("token_id", [-1, 50, 2**31 - 1])
def test_a_token_that_the_model_does_not_have_is_refused(token_id):
    with pytest.raises(InvalidRequestError, match="token ids of the model that answers are 0 to 49") as caught:
        check_prompt_token_ids(tokens(5, token_id, 7), 50, stands_in=False)
    assert caught.value.field == "prompt_token_ids.values"
    check_prompt_token_ids(tokens(0, 49), 50, stands_in=False)


def test_token_ids_are_nothing_for_a_stand_in():
    with pytest.raises(InvalidRequestError, match="send the text"):
        check_prompt_token_ids(tokens(5), 50, stands_in=True)
    check_prompt_token_ids(conversation(*CONTINUED), 50, stands_in=True)


def test_only_what_makes_the_prompt_is_kept():
    request = conversation(*CONTINUED, continue_final_message=True)
    request.model, request.truncate_prompt_tokens = "m", 5
    request.tools.append(pb.Tool(name="clock"))
    request.tool_choice.name = "clock"
    asked = pb.RunRequest()
    asked.CopyFrom(request)
    asked.sampling_params.temperature = 99
    asked.stop_sequences.append("")
    asked.response_format.regex = "("
    asked.cache_salt, asked.priority = "é" * 999, pb.PRIORITY_BATCH
    keep_prompt(asked)
    assert asked == request
