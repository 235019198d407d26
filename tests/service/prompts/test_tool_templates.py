"""What is found out of a chat template about tools, and what each family's template is given to write.

The templates are our own. They write what the published ones do of tools, calls and results, and refuse what they do.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.prompts.call_texts import written_call
from service.prompts.conversation import as_trained
from service.prompts.tokenizer import Chat
from service.prompts.tool_template import ToolTemplate
from service.requests.call_format import CallFormat
from tests.support.tokenizers import CHAT_TEMPLATE, byte_level_tokenizer, save_tokenizer
from tests.support.tool_calls import search

FOLDER = Path(__file__).parent / "templates"
QWEN, MISTRAL_V3, MISTRAL_V13, PYTHONIC, GEMMA = (
    (FOLDER / f"{name}.jinja").read_text()
    for name in ("qwen", "mistral_v3", "mistral_v13", "llama_pythonic", "gemma_3")
)
LLAMA = Path("service/templates/llama-3.1.jinja").read_text()
CODER = QWEN.replace('\\n{"name": "', "\\n<function=").replace('", "arguments": ', ">\\n<parameter=")
LLAMA_4 = PYTHONIC.replace("~ '['", "~ '<|python_start|>['").replace("']<|eot_id|>'", "']<|python_end|><|eot_id|>'")
OTHER_MARKER = PYTHONIC.replace("~ '['", "~ '<|tool_call|>['")

IN_WORDS = ToolTemplate(CallFormat.LLAMA3_JSON)
FOUND = {
    "llama": (LLAMA, ToolTemplate(CallFormat.LLAMA3_JSON, is_trained=True)),
    "qwen": (QWEN, ToolTemplate(CallFormat.HERMES, is_trained=True, takes_several=True, keeps_text=True)),
    "mistral v3": (MISTRAL_V3, ToolTemplate(CallFormat.MISTRAL, is_trained=True, takes_several=True)),
    "mistral v13": (
        MISTRAL_V13,
        ToolTemplate(CallFormat.MISTRAL_NAMED, is_trained=True, takes_several=True, keeps_text=True),
    ),
    "pythonic": (PYTHONIC, ToolTemplate(CallFormat.PYTHONIC, is_trained=True, takes_several=True)),
    "pythonic behind a tag": (LLAMA_4, ToolTemplate(CallFormat.PYTHONIC, is_trained=True, takes_several=True)),
    "gemma": (GEMMA, IN_WORDS),
    "no tools": (CHAT_TEMPLATE, IN_WORDS),
    "calls that nobody here reads": (CODER, IN_WORDS),
    "a marker that nobody here knows": (OTHER_MARKER, IN_WORDS),
    "broken": ("{{ messages.nothing.at_all }}", IN_WORDS),
}

ARGUMENTS = {"city": "Zürich", "days": 4, "exact": True}
WEATHER = pb.Tool(name="weather", description="Tells the weather.", parameters_json='{"type": "object"}')


def tokenizer() -> Tokenizer:
    made = byte_level_tokenizer(512)
    markers = ["<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "<|eot_id|>"]
    made.add_special_tokens(markers)
    return made


TOKENIZER = tokenizer()


def loaded(folder: Path, template: str, tool_call_format: str = "") -> Chat:
    return Chat.load(save_tokenizer(folder, TOKENIZER, template), tool_call_format)


async def rendered(chat: Chat, *messages: pb.Message) -> str:
    """The prompt of a conversation with a tool, from its first turn behind what tells of the tools."""
    conversation = pb.Conversation(messages=messages)
    token_ids = await chat.encode(pb.RunRequest(conversation=conversation, tools=[WEATHER]))
    return TOKENIZER.decode(token_ids, skip_special_tokens=False)


def said(role: str, text: str = "", **fields: Any) -> pb.Message:
    return pb.Message(role=role, content=[pb.ContentPart(text=text)], **fields)


def call(name: str, call_id: str, arguments: dict[str, Any] | None = None) -> pb.ToolCall:
    return pb.ToolCall(name=name, id=call_id, arguments_json=json.dumps(arguments or {}, ensure_ascii=False))


@pytest.mark.parametrize("name", FOUND)
def test_a_template_tells_the_format_of_calls_by_writing_one(tmp_path, name):
    template, expected = FOUND[name]
    chat = loaded(tmp_path, template)
    assert chat.tool_template == expected


@pytest.mark.parametrize(
    ("template", "named", "call_format", "is_trained"),
    [
        (GEMMA, "pythonic", CallFormat.PYTHONIC, False),
        (GEMMA, "hermes", CallFormat.HERMES, False),
        (CODER, "hermes", CallFormat.HERMES, True),
        (MISTRAL_V13, "mistral", CallFormat.MISTRAL_NAMED, True),
        (MISTRAL_V3, "mistral", CallFormat.MISTRAL, True),
        (PYTHONIC, "llama3_json", CallFormat.LLAMA3_JSON, True),
    ],
)
def test_the_catalogs_word_counts_more_than_the_templates(tmp_path, template, named, call_format, is_trained):
    chat = loaded(tmp_path, template, named)
    assert (chat.tool_template.call_format, chat.tool_template.is_trained) == (call_format, is_trained)


TURNS = [
    said("user", "Zürich?"),
    said(
        "assistant", "I look.", tool_calls=[call("weather", "chatcmpl-tool-1", ARGUMENTS), call("clock", "Ab3dE6gHi")]
    ),
    said("tool", "noon", tool_call_id="Ab3dE6gHi"),
    said("tool", "22 C", tool_call_id="chatcmpl-tool-1"),
]


async def test_qwen_and_hermes_are_shown_all_calls_of_a_message_and_results_in_their_order(tmp_path):
    assert (await rendered(loaded(tmp_path, QWEN), *TURNS)).endswith(
        "<|im_start|>user\nZürich?<|im_end|>\n<|im_start|>assistant\nI look.\n<tool_call>\n"
        '{"name": "weather", "arguments": {"city": "Zürich", "days": 4, "exact": true}}\n</tool_call>\n<tool_call>\n'
        '{"name": "clock", "arguments": {}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n22 C\n'
        "</tool_response>\n<tool_response>\nnoon\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )


async def test_mistral_is_shown_ids_of_nine_characters_and_only_what_it_takes(tmp_path):
    prompt = await rendered(loaded(tmp_path, MISTRAL_V3), *TURNS)
    first, _, rest = prompt.partition('"exact": true}, "id": "')[2].partition('"}')
    assert len(first) == 9
    assert first.isalnum()
    assert rest == (
        ', {"name": "clock", "arguments": {}, "id": "Ab3dE6gHi"}]</s>'
        f'[TOOL_RESULTS] {{"content": 22 C, "call_id": "{first}"}}[/TOOL_RESULTS]'
        '[TOOL_RESULTS] {"content": noon, "call_id": "Ab3dE6gHi"}[/TOOL_RESULTS]'
    )


async def test_mistral_is_shown_calls_without_ids_and_the_same_ids_each_time(tmp_path):
    chat = loaded(tmp_path, MISTRAL_V3)
    turns = [said("user", "Now?"), said("assistant", tool_calls=[call("clock", ""), call("clock", "")])]
    turns += [said("tool", "noon", name="clock"), said("tool", "later", name="clock")]
    prompts = {await rendered(chat, *turns) for _ in range(2)}
    assert len(prompts) == 1
    ids = [piece[:9] for piece in prompts.pop().replace('"call_id": "', '"id": "').split('"id": "')[1:]]
    assert len(set(ids)) == 2
    assert ids[:2] == ids[2:]


async def test_newer_mistral_and_python_are_shown_what_they_write(tmp_path):
    prompt = await rendered(loaded(tmp_path / "a", MISTRAL_V13), *TURNS)
    assert prompt.endswith(
        '[INST]Zürich?[/INST]I look.[TOOL_CALLS]weather[ARGS]{"city": "Zürich", "days": 4, "exact": true}[TOOL_CALLS]'
        "clock[ARGS]{}</s>[TOOL_RESULTS]22 C[/TOOL_RESULTS][TOOL_RESULTS]noon[/TOOL_RESULTS]"
    )
    prompt = await rendered(loaded(tmp_path / "b", PYTHONIC), *TURNS)
    assert '[weather(city="Zürich", days=4, exact=true), clock()]<|eot_id|>' in prompt


async def test_gemma_is_asked_for_json_by_the_user_who_also_tells_the_results(tmp_path):
    prompt = await rendered(loaded(tmp_path, GEMMA), *TURNS)
    form = 'answer with nothing but JSON of this form: {"name": "<its name>", "parameters": {<its parameters>}}'
    assert form in prompt
    assert prompt.endswith(
        '<start_of_turn>model\nI look.\n{"name": "weather", "parameters": {"city": "Zürich", "days": 4, "exact": true}}'
        '\n{"name": "clock", "parameters": {}}<end_of_turn>\n<start_of_turn>user\n{"name": "clock", "result": "noon"}\n'
        '{"name": "weather", "result": "22 C"}<end_of_turn>\n<start_of_turn>model\n'
    )


@pytest.mark.parametrize("named", ["hermes", "pythonic", "mistral"])
async def test_gemma_is_asked_for_another_format_if_the_catalog_says_so(tmp_path, named):
    forms = {
        "hermes": '<tool_call>\n{"name": "<its name>", "arguments": {<its parameters>}}\n</tool_call>',
        "pythonic": "[<its name>(<parameter>=<value>, <parameter>=<value>)]",
        "mistral": '[TOOL_CALLS] [{"name": "<its name>", "arguments": {<its parameters>}}]',
    }
    prompt = await rendered(loaded(tmp_path, GEMMA, named), *TURNS)
    assert f"answer with nothing but calls of this form: {forms[named]}" in prompt


@pytest.mark.parametrize("call_format", CallFormat)
@pytest.mark.parametrize("arguments", [ARGUMENTS, {}, {"a b": [None, "it's", {"c": 'say "so"\n'}], "d": -1.5}])
def test_a_call_in_words_is_read_again_as_the_same_call(call_format, arguments):
    written = written_call(call("weather", "", arguments), call_format)
    found = search(written, call_format=call_format, names=["weather"])
    assert [(name, json.loads(told)) for name, told in found.calls] == [("weather", arguments)]
    assert (found.text, found.is_broken) == ("", False)


@pytest.mark.parametrize("call_format", CallFormat)
def test_arguments_that_are_no_object_are_shown_as_the_text_that_they_are(call_format):
    cut = pb.ToolCall(name="weather", arguments_json='{"city": "Zür')
    assert "Zür" in written_call(cut, call_format)
    template = ToolTemplate(call_format, is_trained=True, takes_several=True, keeps_text=True)
    (entry,) = as_trained([said("assistant", tool_calls=[cut])], template)
    assert entry["tool_calls"][0]["function"]["arguments"] == '{"city": "Zür'


async def test_what_is_said_beside_a_call_is_its_own_message_where_the_template_takes_that(tmp_path):
    prompt = await rendered(loaded(tmp_path, PYTHONIC), *TURNS)
    header = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert f"{header}I look.<|eot_id|>{header}[weather(" in prompt
