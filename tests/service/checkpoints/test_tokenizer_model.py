"""A checkpoint with tokenizer.model only: the tokens of SentencePiece, or of Meta's own tokenizer for Llama 3."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mistral_common
import pytest
import sentencepiece

from service.checkpoints.errors import CheckpointError
from service.checkpoints.tokenizer import load_tokenizer
from tests.support.real_tokenizers import meta_tokenizer
from tests.support.tokenizers import CHAT_TEMPLATE, SENTENCES

TEXTS = [
    *SENTENCES,
    "Hello  World   with spaces ",
    "def f(x):\n\treturn x ** 2\r\n",
    "é😀 ﬁ 12345 …",
    "日本語のテキスト 한국어",
    "don't WON'T it's",
    "",
]
"""None begins with a space: transformers' converter puts none before that, SentencePiece does."""

CONFIG = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "runstream" / "tokenizers"


def save(folder: Path, model: bytes, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model)
    (folder / "tokenizer_config.json").write_text(json.dumps(CONFIG | config))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 2}))
    return folder


def trained(**changes: Any) -> bytes:
    """A SentencePiece model as Llama 2's is made, but small."""
    out = io.BytesIO()
    sizes = {"vocab_size": 420, "unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    settings: dict[str, Any] = {"model_type": "bpe"} | sizes | changes
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 3),
        model_writer=out,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
        **settings,
    )
    return out.getvalue()


def published(name: str) -> bytes:
    return (Path(mistral_common.__file__).parent / "data" / name).read_bytes()


def ids_of(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@pytest.mark.parametrize("name", ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"])
def test_published_pieces_are_found_as_sentencepiece_finds_them(tmp_path: Path, name: str) -> None:
    model = published(name)
    tokenizer = load_tokenizer(save(tmp_path / "it", model, tokenizer_class="LlamaTokenizer"))
    own = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert [ids_of(tokenizer, text) for text in TEXTS] == [own.encode(text) for text in TEXTS]
    assert [tokenizer.decode(own.encode(text)) for text in TEXTS[:8]] == TEXTS[:8]


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({}, {"tokenizer_class": "LlamaTokenizerFast"}),
        ({}, {"tokenizer_class": "LlamaTokenizer", "legacy": True}),
        ({}, {}),  # the class is that of the model's type
        (
            {"add_dummy_prefix": False, "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3},
            {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
        ),
    ],
    ids=["llama", "legacy", "no class", "gemma"],
)
def test_each_class_that_is_read_finds_the_same_pieces(tmp_path: Path, settings: Any, config: Any) -> None:
    if "pad_id" in settings:
        settings = settings | {"bos_piece": "<bos>", "eos_piece": "<eos>"}
    model = trained(**settings)
    tokenizer = load_tokenizer(save(tmp_path / "it", model, **config))
    own = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert [ids_of(tokenizer, text) for text in TEXTS] == [own.encode(text) for text in TEXTS]
    assert tokenizer.bos_token_id == own.bos_id()
    assert tokenizer.eos_token_id == own.eos_id()


def test_ranks_of_llama_3_are_merged_as_metas_own_tokenizer_does(tmp_path: Path) -> None:
    own = meta_tokenizer()
    model = Path(sys.modules[type(own).__module__].__file__ or "").with_name("tokenizer.model").read_bytes()
    folder = save(tmp_path / "it", model, eos_token={"content": "<|eot_id|>"}, chat_template=CHAT_TEMPLATE)
    tokenizer = load_tokenizer(folder)
    assert [ids_of(tokenizer, text) for text in TEXTS] == [own.encode(text, bos=False, eos=False) for text in TEXTS]
    assert {name: tokenizer.convert_tokens_to_ids(name) for name in own.special_tokens} == own.special_tokens
    assert tokenizer("a").input_ids == own.encode("a", bos=True, eos=False)
    assert (tokenizer.eos_token, tokenizer.chat_template) == ("<|eot_id|>", CHAT_TEMPLATE)


def test_it_is_made_once(tmp_path: Path, cache: Path) -> None:
    folder = save(tmp_path / "it", trained())
    load_tokenizer(folder)
    (made,) = cache.iterdir()
    before = (made / "tokenizer.json").stat().st_mtime_ns
    load_tokenizer(folder)
    assert [path.name for path in cache.iterdir()] == [made.name]
    assert (made / "tokenizer.json").stat().st_mtime_ns == before
    load_tokenizer(save(tmp_path / "it", trained(vocab_size=400)))
    assert len(list(cache.iterdir())) == 2  # another file under the same path is another tokenizer


def test_a_cache_that_can_not_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert ids_of(load_tokenizer(save(tmp_path / "it", trained())), "New York")
    assert "can't be written, so the tokenizer is made anew at each load" in caplog.text


@pytest.mark.parametrize("kind", ["pieces", "ranks"])
def test_no_torch_is_loaded_for_it(tmp_path: Path, kind: str) -> None:
    model = trained() if kind == "pieces" else ranks(128_000)
    folder = save(tmp_path / "it", model)
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path;"
        "from service.checkpoints.tokenizer import load_tokenizer; print(len(load_tokenizer(Path(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert done.stdout == ("420\n" if kind == "pieces" else "128256\n"), done.stderr


def ranks(count: int) -> bytes:
    tokens = [bytes([index]) for index in range(256)]
    tokens += [b"a" + index.to_bytes(3, "big") for index in range(256, count)]
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens[:count]))


REFUSED = [
    (b"\0\1\2 nothing of the kind", {}, "is no tokenizer that can be read"),
    (b"", {}, "tokenizer.model is empty"),
    (ranks(300), {}, "has 300 ranks in tiktoken's form; only Llama 3's 128000 are known"),
    (ranks(300) + b"YQ== many\n", {}, "line 301 of tokenizer.model is no token with its rank"),
    (ranks(300) + b"YQ= 300\n", {}, "line 301 of tokenizer.model is not base64"),
    (trained(model_type="unigram", vocab_size=340), {}, "is no BPE, which LlamaTokenizer needs"),
    (base64.b64encode(b"a" * 2000) + b" 0\n", {}, "has 2000 characters, more than 1024"),
    (ranks(300) + b"enp6 999\n", {}, "are not those of 301 tokens"),
    (
        trained(),
        {"tokenizer_class": "T5Tokenizer"},
        "is for T5Tokenizer; only LlamaTokenizer, CodeLlama",
    ),
]


@pytest.mark.parametrize(("model", "config", "reason"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_can_not_be_read_is_told_with_what_to_do(tmp_path: Path, model: bytes, config: Any, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason) as caught:
        load_tokenizer(save(tmp_path / "it", model, **config))
    if not any(word in reason for word in ("line", "those of", "characters")):
        assert "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)" in str(caught.value)


def test_a_file_larger_than_any_tokenizer_is_not_read(tmp_path: Path) -> None:
    folder = save(tmp_path / "it", b"")
    with (folder / "tokenizer.model").open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(CheckpointError, match="is larger than 64 MiB, which no tokenizer is"):
        load_tokenizer(folder)
