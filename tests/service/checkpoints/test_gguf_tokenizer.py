"""A GGUF file's vocabulary encodes as the tokenizer that it was written from, and as transformers' own conversion."""

from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from service.checkpoints.errors import CheckpointError
from service.checkpoints.tokenizer import load_tokenizer, read_end_token_ids
from tests.support.gguf_checkpoints import CHAT_TEMPLATE, finish, write_byte_level, write_sentencepiece
from tests.support.tokenizers import SENTENCES, byte_fallback_tokenizer, byte_level_tokenizer

TEXTS = [
    *SENTENCES,
    " a  b\n\n\tc ",
    "x</s>y <s>z",
    "it's 1234 and 5",
    "\U0001f642 e\u0301",
    "",
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text).ids
    return found


def write(path: Path, tokenizer: Tokenizer, pre: str = "", **settings: Any) -> None:
    writer = GGUFWriter(path, settings.pop("architecture", "llama"))
    if pre:
        write_byte_level(writer, tokenizer, pre)
    else:
        write_sentencepiece(writer, tokenizer)
    for name, value in settings.items():
        writer.add_key_value(f"tokenizer.ggml.{name}", value, type_of(value))
    finish(writer)


def type_of(value: object) -> Any:
    from gguf import GGUFValueType

    return GGUFValueType.BOOL if isinstance(value, bool) else GGUFValueType.UINT32


@pytest.mark.parametrize("text", TEXTS)
def test_sentencepieces_tokens_are_those_of_the_vocabulary_that_was_written(path: Path, text: str) -> None:
    expected = byte_fallback_tokenizer()
    write(path, expected)
    found = load_tokenizer(path)
    assert ids(found.backend_tokenizer, text) == ids(expected, text)
    assert found.decode(ids(expected, text)) == PreTrainedTokenizerFast(tokenizer_object=expected).decode(
        ids(expected, text)
    )


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_over_bytes_are_those_of_the_vocabulary_that_was_written(path: Path, text: str) -> None:
    expected = byte_level_tokenizer()
    write(path, expected, "gpt-2", add_bos_token=True)
    assert ids(load_tokenizer(path).backend_tokenizer, text) == ids(expected, text)


@pytest.mark.parametrize("pre", ["gpt-2", "qwen2", "llama-bpe", "tekken"])
def test_text_is_split_as_transformers_own_conversion_does(path: Path, pre: str) -> None:
    write(path, byte_level_tokenizer(), pre, add_bos_token=False)
    theirs = PreTrainedTokenizerFast.from_pretrained(path.parent, gguf_file=path.name)
    ours = load_tokenizer(path)
    for text in TEXTS[:-2]:  # Qwen's own tokenizer composes characters first, as ours does
        assert ours.encode(text, add_special_tokens=False) == theirs.encode(text, add_special_tokens=False)


def test_smollm_splits_each_digit(path: Path) -> None:
    write(path, byte_level_tokenizer(), "smollm")
    pieces = load_tokenizer(path).backend_tokenizer.pre_tokenizer.pre_tokenize_str("in 1234")
    assert [piece for piece, _ in pieces] == ["in", "Ġ", "1", "2", "3", "4"]


def test_no_token_is_added_behind_the_vocabulary(path: Path) -> None:
    write(path, byte_level_tokenizer(), "llama-bpe")
    assert load_tokenizer(path).backend_tokenizer.get_vocab_size() == 320


def test_the_template_and_the_named_tokens_come_along(path: Path) -> None:
    write(path, byte_level_tokenizer(), "llama-bpe", eot_token_id=0)
    tokenizer = load_tokenizer(path)
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")
    assert read_end_token_ids(path) == {0, 2}


@pytest.mark.parametrize(("has_bos", "has_eos"), [(True, False), (False, True), (False, False)])
def test_a_text_begins_and_ends_as_the_metadata_says(path: Path, has_bos: bool, has_eos: bool) -> None:
    writer = GGUFWriter(path, "llama")
    write_byte_level(writer, byte_level_tokenizer(), "llama-bpe")
    writer.add_add_bos_token(has_bos)
    writer.add_add_eos_token(has_eos)
    finish(writer)
    around = ids(load_tokenizer(path).backend_tokenizer, "a")
    assert (around[0] == 1, around[-1] == 2) == (has_bos, has_eos)


@pytest.mark.parametrize("add_space_prefix", [True, False])
def test_a_leading_space_is_put_before_a_text_only_where_the_model_has_one(path: Path, add_space_prefix: bool) -> None:
    write(path, byte_fallback_tokenizer(), add_space_prefix=add_space_prefix)
    tokenizer = load_tokenizer(path)
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("York"))[1].startswith("▁") is add_space_prefix
    assert tokenizer.decode(tokenizer.encode(" York", add_special_tokens=False)) == " York"


@pytest.mark.parametrize(
    ("pre", "reason"), [("falcon", "splits text by 'falcon' .*; known are llama-bpe"), ("default", "splits text by")]
)
def test_a_way_to_split_that_nobody_knows_is_refused(path: Path, pre: str, reason: str) -> None:
    write(path, byte_level_tokenizer(), pre)
    with pytest.raises(CheckpointError, match=reason):
        load_tokenizer(path)


def test_another_kind_of_vocabulary_is_refused(path: Path) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("bert")
    finish(writer)
    with pytest.raises(CheckpointError, match="kind 'bert'; only gpt2 and llama are read"):
        load_tokenizer(path)


def test_merges_of_tokens_that_are_not_there_are_refused(path: Path) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b"])
    writer.add_token_types([1, 1])
    writer.add_token_merges(["a z"])
    finish(writer)
    with pytest.raises(CheckpointError, match="can't be used"):
        load_tokenizer(path)


def test_a_token_that_would_take_hours_to_be_taken_apart_is_refused(path: Path) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "a" * 1025])
    writer.add_token_types([2, 1])
    writer.add_token_scores([0.0, 0.0])
    finish(writer)
    with pytest.raises(CheckpointError, match="a token of 1025 characters, more than 1024"):
        load_tokenizer(path)


def test_a_template_that_is_no_text_is_refused(path: Path) -> None:
    writer = GGUFWriter(path, "llama")
    write_byte_level(writer, byte_level_tokenizer(), "gpt-2")
    writer.add_uint32("tokenizer.chat_template", 5)
    finish(writer)
    with pytest.raises(CheckpointError, match="chat_template that is no text"):
        load_tokenizer(path)
