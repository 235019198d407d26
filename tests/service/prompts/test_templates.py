"""The catalog's chat templates, token by token, against what the models' publishers say and encode.

Each reference is independent of the templates: Meta's code for Llama 2 and for Llama 3, written down again as a
function, mistral_common's own encoder with the vocabulary that it brings, and texts as they were published.
"""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer

from service.errors import InvalidRequestError
from service.prompts.tokenizer import Chat
from tests.support.published_templates import (
    ASSISTANT,
    CATALOG,
    CODE_LLAMA,
    LLAMA_2,
    LLAMA_3,
    MISTRAL,
    SYSTEM,
    USER,
    Turns,
    conversation,
    load,
)
from tests.support.real_tokenizers import from_sentencepiece
from tests.support.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer, save_tokenizer

CONVERSATIONS: dict[str, Turns] = {
    "one turn": [(USER, "Where is New York?")],
    "a system": [(SYSTEM, "Be nice."), (USER, "Where is New York?")],
    "turns": [
        (USER, "Hello"),
        (ASSISTANT, "Hello, World."),
        (USER, "Tell me a story"),
        (ASSISTANT, "Two"),
        (USER, "?"),
    ],
    "a system and turns": [(SYSTEM, "Be nice."), (USER, "Hello"), (ASSISTANT, "I am."), (USER, "你好 🙂")],
    "odd white space": [(USER, "two  spaces\n\nlines"), (ASSISTANT, "a\tb"), (USER, "end")],
}
ODD_TURNS: dict[str, Turns] = {
    "two users": [(USER, "Hello"), (USER, "Where is New York?")],
    "two assistants": [(USER, "Hello"), (ASSISTANT, "Hello."), (ASSISTANT, "And?"), (USER, "Nothing")],
    "an assistant first": [(ASSISTANT, "How can I help?"), (USER, "Hello")],
    "an assistant behind the system": [(SYSTEM, "Be nice."), (ASSISTANT, "How can I help?"), (USER, "Hello")],
    "two systems": [(SYSTEM, "Be nice."), (SYSTEM, "Be brief."), (USER, "Hello")],
    "a late system": [(USER, "Hello"), (SYSTEM, "Be nice.")],
    "a system in the middle": [(USER, "Hello"), (SYSTEM, "Be nice."), (ASSISTANT, "Hello."), (USER, "Bye")],
    "nobody but a system": [(SYSTEM, "Be nice.")],
    "an empty system": [(SYSTEM, ""), (USER, "Hello")],
    "an empty system and another": [(SYSTEM, ""), (SYSTEM, "Be nice."), (USER, "Hello")],
    "an empty system in the middle": [(USER, "Hello"), (SYSTEM, ""), (ASSISTANT, "Hello."), (USER, "Bye")],
    "nobody but an empty system": [(SYSTEM, "")],
    "an empty text": [(USER, ""), (USER, "Hello")],
}
WITHOUT_SYSTEM = Path(CATALOG[MISTRAL].chat_template).read_text().replace("== 'system'", "== 'nobody'")
DEMO_TEMPLATE = Path(CATALOG["@runstream/demo"].checkpoint, "chat_template.jinja").read_text()
each_conversation = pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)


def encoder(tokenizer: Tokenizer) -> Callable[..., list[int]]:
    """Encodes a text with or without the tokens around it, as Meta's tokenizers do."""

    def encode(text: str, bos: bool = False, eos: bool = False) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return [1] * bos + ids + [2] * eos

    return encode


def as_meta_encodes_llama_2(encode: Callable[..., list[int]], turns: Turns) -> list[int]:
    """`Llama.chat_completion` of Llama 2 and of Code Llama: every question and answer is encoded by itself."""
    if turns[0][0] == SYSTEM:
        (_, system), (role, text), *others = turns
        turns = [(role, f"<<SYS>>\n{system}\n<</SYS>>\n\n{text}"), *others]
    pairs = zip(turns[0:-1:2], turns[1:-1:2], strict=True)
    ids = [encode(f"[INST] {asked.strip()} [/INST] {told.strip()} ", True, True) for (_, asked), (_, told) in pairs]
    return [*itertools.chain(*ids), *encode(f"[INST] {turns[-1][1].strip()} [/INST]", True)]


def as_meta_encodes_llama_3(encode: Callable[..., list[int]], specials: dict[str, int], turns: Turns) -> list[int]:
    """`ChatFormat.encode_dialog_prompt` of Llama 3, with the dates that 3.1 puts before what the system says."""
    dates = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    system = turns[0][1] if turns[0][0] == SYSTEM else ""
    begin, end, over = (specials[f"<|{name}|>"] for name in ("start_header_id", "end_header_id", "eot_id"))
    ids = [1]
    for role, text in [(SYSTEM, dates + system), *(turn for turn in turns if turn[0] != SYSTEM)]:
        ids += [begin, *encode(role), end, *encode("\n\n"), *encode(text if role == SYSTEM else text.strip()), over]
    return [*ids, begin, *encode(ASSISTANT), end, *encode("\n\n")]


@each_conversation
@pytest.mark.parametrize("model_id", [LLAMA_2, CODE_LLAMA])
async def test_llama_2_and_code_llama_get_what_metas_code_encodes(tmp_path: Path, model_id: str, turns: Turns) -> None:
    tokenizer = byte_fallback_tokenizer(512)
    chat = load(tmp_path, model_id, tokenizer)
    assert await chat.encode(conversation(turns)) == as_meta_encodes_llama_2(encoder(tokenizer), turns)


@each_conversation
async def test_llama_3_gets_what_metas_code_encodes(tmp_path: Path, turns: Turns) -> None:
    tokenizer = byte_level_tokenizer(512)
    tokenizer.add_special_tokens([f"<|{name}|>" for name in ("start_header_id", "end_header_id", "eot_id")])
    chat = load(tmp_path, LLAMA_3, tokenizer)
    expected = as_meta_encodes_llama_3(encoder(tokenizer), tokenizer.get_vocab(), turns)
    assert await chat.encode(conversation(turns)) == expected


@pytest.fixture(scope="module")
def mistral() -> MistralTokenizer:
    """Mistral's first encoder, with the vocabulary of its first model."""
    return MistralTokenizer.v1()


@pytest.fixture(scope="module")
def mistral_folder(mistral: MistralTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with Mistral's own vocabulary and no chat template."""
    tokenizer = from_sentencepiece(mistral.instruct_tokenizer.tokenizer.file_path)
    return save_tokenizer(tmp_path_factory.mktemp("mistral"), tokenizer, None)


def as_mistral_encodes(mistral: MistralTokenizer, turns: Iterable[tuple[str, str]]) -> list[int]:
    kinds = {SYSTEM: SystemMessage, USER: UserMessage, ASSISTANT: AssistantMessage}
    messages = [kinds[role](content=text) for role, text in turns]
    ids: list[int] = mistral.encode_chat_completion(ChatCompletionRequest(messages=messages)).tokens
    return ids


@pytest.fixture(scope="module", params=["the catalog's template", "one without a system"])
def mistral_chat(request: pytest.FixtureRequest, mistral_folder: Path) -> Chat:
    """Mistral's chat, through either template."""
    path = mistral_folder / "chat_template.jinja"
    path.unlink(missing_ok=True)
    if request.param == "one without a system":
        path.write_text(WITHOUT_SYSTEM)
    return Chat.load(mistral_folder, chat_template=CATALOG[MISTRAL].chat_template)


@pytest.mark.parametrize("turns", (CONVERSATIONS | ODD_TURNS).values(), ids=CONVERSATIONS | ODD_TURNS)
async def test_mistral_gets_what_its_own_encoder_encodes(
    mistral: MistralTokenizer, mistral_chat: Chat, turns: Turns
) -> None:
    assert await mistral_chat.encode(conversation(turns)) == as_mistral_encodes(mistral, turns)


async def text_of(folder: Path, model_id: str, request: pb.RunRequest) -> str:
    tokenizer = byte_fallback_tokenizer(512)
    ids = await load(folder, model_id, tokenizer).encode(request, CATALOG[model_id].default_system_prompt)
    return tokenizer.decode(ids, skip_special_tokens=False)


async def test_a_prompt_for_llama_2_is_what_workers_ai_made_of_it(tmp_path: Path) -> None:
    system = CATALOG[LLAMA_2].default_system_prompt
    rendered = await text_of(tmp_path, LLAMA_2, pb.RunRequest(prompt=pb.Prompt(text="hi")))
    assert rendered == f"<s> [INST] <<SYS>>\n{system}\n<</SYS>>\n\nhi [/INST]"


async def test_a_checkpoints_own_template_goes_before_the_catalogs(tmp_path: Path) -> None:
    chat = load(tmp_path, LLAMA_2, byte_fallback_tokenizer(512), own_template="{{ 'own' }}")
    assert chat.vocabulary.detokenizer().push(await chat.encode(conversation([(USER, "Hello")]))) == "own"


@pytest.mark.parametrize("turns", ODD_TURNS.values(), ids=ODD_TURNS)
async def test_llama_3_gets_every_message_as_a_turn_of_its_own(tmp_path: Path, turns: Turns) -> None:
    rendered = await text_of(tmp_path, LLAMA_3, conversation(turns))
    begins_with_system = turns[0][0] == SYSTEM
    assert rendered.count("<|start_header_id|>") == len(turns) + (not begins_with_system) + 1
    assert all(text in rendered for _, text in turns)


SYSTEM_OF_LLAMA_2 = "<s> [INST] <<SYS>>\nBe nice.\n<</SYS>>\n\n"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two users", "<s> [INST] Hello\n\nWhere is New York? [/INST]"),
        ("an assistant first", "<s> [INST]  [/INST] How can I help? </s><s> [INST] Hello [/INST]"),
        ("two systems", SYSTEM_OF_LLAMA_2.replace("nice.", "nice.\n\nBe brief.") + "Hello [/INST]"),
        ("a late system", f"{SYSTEM_OF_LLAMA_2}Hello [/INST]"),
        ("nobody but a system", f"{SYSTEM_OF_LLAMA_2.strip()} [/INST]"),
    ],
)
async def test_llama_2_gets_odd_turns_joined_too(tmp_path: Path, name: str, expected: str) -> None:
    assert await text_of(tmp_path, LLAMA_2, conversation(ODD_TURNS[name])) == expected


@pytest.mark.parametrize("model_id", [LLAMA_2, MISTRAL])
async def test_an_assistants_last_message_ends_the_prompt(tmp_path: Path, model_id: str) -> None:
    rendered = await text_of(tmp_path, model_id, conversation([(USER, "Hello"), (ASSISTANT, "Hi")]))
    assert rendered.endswith("[/INST] Hi </s>" if model_id == LLAMA_2 else "[/INST] Hi</s>")


@pytest.mark.parametrize("model_id", [LLAMA_2, MISTRAL])
async def test_a_role_that_nobody_knows_is_refused_in_the_templates_words(tmp_path: Path, model_id: str) -> None:
    chat = load(tmp_path, model_id, byte_fallback_tokenizer(512))
    with pytest.raises(InvalidRequestError, match="Conversation roles must alternate user/assistant/user/assistant/"):
        await chat.encode(conversation([(USER, "Hello"), ("wizard", "Hello")]))


@pytest.mark.parametrize(
    "own_template", ["{{ messages[0].content + 1 }}", "{{ messages[9].content }}", "{{ 1 / 0 }}", ""]
)
async def test_a_template_that_fails_has_refused(tmp_path: Path, own_template: str) -> None:
    chat = load(tmp_path, LLAMA_2, byte_fallback_tokenizer(512), own_template or "{% if none %}{% endif %}")
    with pytest.raises(InvalidRequestError, match="the model's chat template"):
        await chat.encode(conversation([(USER, "Hello")]))


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chat]:
    """Each family's chat, once with its templates and once with one that has no system."""
    tokenizer, folder = byte_fallback_tokenizer(512), tmp_path_factory.mktemp("families")
    own = {MISTRAL: None, LLAMA_2: None, LLAMA_3: None, "no system": WITHOUT_SYSTEM, "demo": DEMO_TEMPLATE}
    return {
        name: Chat.load(
            save_tokenizer(folder / str(index), tokenizer, template),
            CATALOG[name].tool_call_format if name in CATALOG else "",
            CATALOG[name].chat_template if name in CATALOG else "",
        )
        for index, (name, template) in enumerate(own.items())
    }


MESSAGES = st.builds(
    lambda role, texts, calls, call_id: pb.Message(
        role=role,
        content=[pb.ContentPart(text=text) for text in texts],
        tool_calls=[pb.ToolCall(name=name, arguments_json="{}") for name in calls] if role == ASSISTANT else [],
        tool_call_id=call_id if role == "tool" else "",
    ),
    st.sampled_from([SYSTEM, USER, ASSISTANT, "tool", "wizard"]),
    st.lists(st.sampled_from(["", " ", "hi", "</s>[INST]", "{{ 1 / 0 }}"]), max_size=2),
    st.lists(st.sampled_from(["weather", "clock"]), max_size=2),
    st.sampled_from(["", "1"]),
)


@given(messages=st.lists(MESSAGES, min_size=1, max_size=6), has_tools=st.booleans())
async def test_every_conversation_has_a_prompt_or_a_reason(
    chats: dict[str, Chat], messages: list[pb.Message], has_tools: bool
) -> None:
    request = pb.RunRequest(
        conversation=pb.Conversation(messages=messages), tools=[pb.Tool(name="weather")] * has_tools
    )
    for name, chat in chats.items():
        try:
            assert await chat.encode(request)
        except InvalidRequestError:
            assert name != LLAMA_3  # which has a place for everybody
            assert "wizard" in {message.role for message in messages}
