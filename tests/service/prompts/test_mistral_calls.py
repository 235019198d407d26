"""Calls as Mistral's own encoder writes them: prompts are its tokens, and its tokens are read as the calls."""

import json
from pathlib import Path

import pytest
from mistral_common.protocol.instruct.messages import AssistantMessage, ToolMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.protocol.instruct.tool_calls import Function, FunctionCall, Tool, ToolCall
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from runstream.v1 import text_generation_pb2 as pb
from transformers import PreTrainedTokenizerFast

from service.output.tool_formats.formats import shown_tokens
from service.prompts.tokenizer import Chat
from service.requests.call_format import CallFormat
from tests.support.real_tokenizers import from_sentencepiece
from tests.support.tool_calls import search

TEMPLATE = (Path(__file__).parent / "templates" / "mistral_v3.jinja").read_text()
CALLS = [
    ("Ab3dE6gHi", "get_weather", {"city": 'Zürich "Wiedikon" 🙂', "days": 4, "of": [{"a": None}, True]}),
    ("Bb3dE6gHi", "clock", {}),
]


@pytest.fixture(scope="module")
def mistral() -> MistralTokenizer:
    return MistralTokenizer.v3()


@pytest.fixture(scope="module")
def chat(mistral: MistralTokenizer) -> Chat:
    tokenizer = from_sentencepiece(mistral.instruct_tokenizer.tokenizer.file_path, is_legacy=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.chat_template = TEMPLATE
    return Chat(fast, frozenset({2}))


@pytest.fixture(scope="module")
def encoded(mistral: MistralTokenizer) -> list[int]:
    """The tokens that Mistral's encoder makes of a question, two calls and their results."""
    calls = [
        ToolCall(id=call_id, function=FunctionCall(name=name, arguments=json.dumps(arguments, ensure_ascii=False)))
        for call_id, name, arguments in CALLS
    ]
    results = [ToolMessage(content=str(number), tool_call_id=call_id) for number, (call_id, _, _) in enumerate(CALLS)]
    tools = [Tool(function=Function(name=name, description="", parameters={"type": "object"})) for _, name, _ in CALLS]
    messages = [UserMessage(content="Zürich?"), AssistantMessage(tool_calls=calls), *results]
    tokens: list[int] = mistral.encode_chat_completion(ChatCompletionRequest(messages=messages, tools=tools)).tokens
    return tokens


async def test_a_conversation_with_calls_is_what_mistrals_encoder_makes_of_it(chat: Chat, encoded: list[int]) -> None:
    calls = [
        pb.ToolCall(id=call_id, name=name, arguments_json=json.dumps(arguments)) for call_id, name, arguments in CALLS
    ]
    messages = [
        pb.Message(role="user", content=[pb.ContentPart(text="Zürich?")]),
        pb.Message(role="assistant", tool_calls=calls),
        *(
            pb.Message(role="tool", content=[pb.ContentPart(text=str(number))], tool_call_id=call_id)
            for number, (call_id, _, _) in enumerate(CALLS)
        ),
    ]
    tools = [pb.Tool(name=name, parameters_json='{"type": "object"}') for _, name, _ in CALLS]
    assert await chat.encode(pb.RunRequest(conversation=pb.Conversation(messages=messages), tools=tools)) == encoded


def test_the_tokens_of_calls_are_read_as_these_calls(chat: Chat, encoded: list[int]) -> None:
    assert chat.tool_template.call_format is CallFormat.MISTRAL
    detokenizer = chat.vocabulary.detokenizer(shown_tokens(CallFormat.MISTRAL))
    begin = encoded.index(5)  # [TOOL_CALLS]
    text = detokenizer.push(encoded[begin : encoded.index(2, begin)]) + detokenizer.flush()
    found = search(text, [1] * len(text), CallFormat.MISTRAL)
    assert [(name, json.loads(arguments)) for name, arguments in found.calls] == [call[1:] for call in CALLS]
    assert (found.text, found.is_broken, found.has_rest) == ("", False, False)
