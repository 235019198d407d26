"""The catalog's chat templates, token by token, against what the models' publishers say and encode.

Each reference is independent of the templates: Meta's code for Llama 2 and for Llama 3, written down again as a
function, mistral_common's own encoder with the vocabulary that it brings, and texts as they were published.
"""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import sentencepiece
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from runstream.v1 import text_generation_pb2 as pb
from tokenizers import Tokenizer, decoders, models, normalizers, processors

from service.catalog import load_catalog
from service.chat import Chat
from service.errors import InvalidRequestError
from tests.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer, save_tokenizer

Turns = list[tuple[str, str]]

CATALOG = load_catalog()
LLAMA_2, MISTRAL = "@cf/meta/llama-2-7b-chat-fp16", "@cf/mistral/mistral-7b-instruct-v0.1"
CODE_LLAMA, LLAMA_3 = "@hf/thebloke/codellama-7b-instruct-awq", "@cf/meta/llama-3.1-8b-instruct"

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
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
WITHOUT_SYSTEM = Path(CATALOG[MISTRAL].chat_template).read_text().replace("== 'system'", "== 'nobody'")
each_conversation = pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)


def conversation(turns: Turns) -> pb.RunRequest:
    messages = [pb.Message(role=role, content=[pb.ContentPart(text=text)]) for role, text in turns]
    return pb.RunRequest(conversation=pb.Conversation(messages=messages))


def load(folder: Path, model_id: str, tokenizer: Tokenizer, own_template: str | None = None) -> Chat:
    """A checkpoint of a model of the catalog, without a chat template if none is given."""
    save_tokenizer(folder, tokenizer, own_template)
    return Chat.load(folder, chat_template=CATALOG[model_id].chat_template)


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


def as_tokenizer_json(model: sentencepiece.SentencePieceProcessor) -> Tokenizer:
    """A SentencePiece vocabulary in the form in which checkpoints have it: merges in the order of their scores."""
    vocab = {model.id_to_piece(index): index for index in range(model.get_piece_size())}
    halves = [(piece[:cut], piece[cut:]) for piece in vocab for cut in range(1, len(piece))]
    merges = sorted(
        (pair for pair in halves if pair[0] in vocab and pair[1] in vocab),
        key=lambda pair: (-model.get_score(vocab[pair[0] + pair[1]]), vocab[pair[0]], vocab[pair[1]]),
    )
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    fallback = [decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *fallback])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


@pytest.fixture(scope="module")
def mistral_folder(mistral: MistralTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with Mistral's own vocabulary and no chat template."""
    model = sentencepiece.SentencePieceProcessor(str(mistral.instruct_tokenizer.tokenizer.file_path))
    return save_tokenizer(tmp_path_factory.mktemp("mistral"), as_tokenizer_json(model), None)


def as_mistral_encodes(mistral: MistralTokenizer, turns: Iterable[tuple[str, str]]) -> list[int]:
    kinds = {SYSTEM: SystemMessage, USER: UserMessage, ASSISTANT: AssistantMessage}
    messages = [kinds[role](content=text) for role, text in turns]
    ids: list[int] = mistral.encode_chat_completion(ChatCompletionRequest(messages=messages)).tokens
    return ids


@each_conversation
async def test_mistral_gets_what_its_own_encoder_encodes(
    mistral: MistralTokenizer, mistral_folder: Path, turns: Turns
) -> None:
    chat = Chat.load(mistral_folder, chat_template=CATALOG[MISTRAL].chat_template)
    assert await chat.encode(conversation(turns)) == as_mistral_encodes(mistral, turns)


async def test_a_system_speaks_through_the_user_where_a_template_has_no_place_for_it(
    mistral: MistralTokenizer, mistral_folder: Path, tmp_path: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(mistral_folder / "tokenizer.json"))
    chat = load(tmp_path, MISTRAL, tokenizer, own_template=WITHOUT_SYSTEM)
    turns = CONVERSATIONS["a system and turns"]
    assert await chat.encode(conversation(turns)) == as_mistral_encodes(mistral, turns)


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
    assert chat.detokenizer().push(await chat.encode(conversation([(USER, "Hello")]))) == "own"


@pytest.mark.parametrize("model_id", [LLAMA_2, MISTRAL])
async def test_roles_that_do_not_alternate_are_refused_in_the_templates_words(tmp_path: Path, model_id: str) -> None:
    chat = load(tmp_path, model_id, byte_fallback_tokenizer(512))
    with pytest.raises(InvalidRequestError, match="Conversation roles must alternate user/assistant/user/assistant/"):
        await chat.encode(conversation([(USER, "Hello"), (USER, "Hello")]))
