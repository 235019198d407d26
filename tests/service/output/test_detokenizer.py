"""The detokenizer: joined pieces are the whole text, and come as early as they can."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from service.output.detokenizer import Vocabulary
from tests.support.tokenizers import byte_level_tokenizer, sentencepiece_tokenizers

VOCAB_SIZE = 512
TOKENIZERS = {"level": byte_level_tokenizer(VOCAB_SIZE), **sentencepiece_tokenizers(VOCAB_SIZE)}
for tokenizer in TOKENIZERS.values():
    tokenizer.add_tokens(["<call>", "ü ö", "é"])
VOCABULARIES = {kind: Vocabulary(tokenizer) for kind, tokenizer in TOKENIZERS.items()}
BYTE_FALLBACK = ["legacy", "not legacy", "gemma"]

kinds = pytest.mark.parametrize("kind", TOKENIZERS)
# a few ids above the vocabulary: models pad theirs
token_ids = st.lists(st.integers(0, VOCAB_SIZE + 8), max_size=40)
texts = st.text(st.sampled_from("a é ß你世界😀👩‍👩‍👧🏽ñ́العربية \n  ▁"), max_size=30) | st.text(max_size=20)

SAMPLES = 1_000
WRITTEN = [
    *("Where is New York? ", "phrase Hello, ", "  ", "\n\n", " ", "▁", "<0xE4>", "<call>", "</s>", "\u200b", "\ufffd"),
    *("😀", "🫠🐉", "👩‍👩‍👧🏽", "🏳️‍🌈", "🇩🇪🇯🇵", "1️⃣", "你好,世界。", "こんにちは", "한국어", "𠮷野家"),
    *("العَرَبِيَّة", "שָׁלוֹם", "हिन्दी", "ก็ได้", "ñ", "e\u0301\u0323", "z̷̗̈a̸l̵g̶o̷", "Å", "ß"),
]


def samples(kind: str) -> Iterator[list[int]]:
    """Token ids of texts of many scripts, with runs of tokens in between that are no text at all."""
    source = random.Random(0)
    for _ in range(SAMPLES):
        ids: list[int] = []
        for _ in range(source.randint(1, 3)):
            written = "".join(source.choices(WRITTEN, k=source.randint(1, 3)))
            ids += TOKENIZERS[kind].encode(written, add_special_tokens=False).ids[:24]
            ids += source.choices(range(VOCAB_SIZE), k=source.choice([0, 0, 0, 1, 4]))
        yield ids


def whole(kind: str, ids: list[int]) -> str:
    return TOKENIZERS[kind].decode(ids, skip_special_tokens=True)


def pieces(kind: str, ids: list[int]) -> list[str]:
    detokenizer = VOCABULARIES[kind].detokenizer()
    return [*(detokenizer.push([token_id]) for token_id in ids), detokenizer.flush()]


@kinds
@given(ids=token_ids)
def test_joined_pieces_of_any_tokens_are_the_whole_text(kind, ids):
    assert "".join(pieces(kind, ids)) == whole(kind, ids)


@kinds
@given(text=texts)
def test_joined_pieces_of_a_text_are_the_whole_text(kind, text):
    ids = TOKENIZERS[kind].encode(text).ids
    assert "".join(pieces(kind, ids)) == whole(kind, ids)


@kinds
def test_a_thousand_samples_ended_after_any_token_stream_as_the_whole_text(kind):
    for ids in samples(kind):
        for end in range(len(ids) + 1):
            assert "".join(pieces(kind, ids[:end])) == whole(kind, ids[:end])


@kinds
@given(ids=token_ids, cut=st.integers(0, 40))
def test_tokens_pushed_together_give_what_they_give_one_by_one(kind, ids, cut):
    detokenizer = VOCABULARIES[kind].detokenizer()
    text = detokenizer.push(ids[:cut]) + detokenizer.push(ids[cut:]) + detokenizer.flush()
    assert text == "".join(pieces(kind, ids))


@kinds
def test_a_cut_character_waits_for_its_rest(kind):
    ids = TOKENIZERS[kind].encode("a😀b", add_special_tokens=False).ids
    if kind == "metaspace":  # which has no byte tokens but tokens that are written like them
        assert "".join(pieces(kind, ids)) == "a<0xF0><0x9F><0x98><0x80>b"
        return
    assert all("\ufffd" not in piece for piece in pieces(kind, ids))
    assert "😀" in "".join(pieces(kind, ids))


@kinds
def test_whole_words_come_with_their_own_token(kind):
    ids = TOKENIZERS[kind].encode("Where is New York", add_special_tokens=False).ids
    assert all(pieces(kind, ids)[:-1])


@pytest.mark.parametrize("kind", ["legacy", "not legacy", "metaspace"])
def test_the_first_word_alone_loses_the_space_that_the_tokenizer_puts_before_it(kind):
    ids = TOKENIZERS[kind].encode("a a", add_special_tokens=False).ids
    assert [TOKENIZERS[kind].id_to_token(token_id) for token_id in ids] == ["▁a", "▁a"]
    assert pieces(kind, [*ids, *ids]) == ["a", " a", " a", " a", ""]


def test_a_token_without_text_is_not_the_first():
    tokenizer = Tokenizer(models.WordLevel({"": 0, "▁a": 1}, unk_token=""))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    detokenizer = Vocabulary(tokenizer).detokenizer()
    assert [detokenizer.push([token_id]) for token_id in (0, 0, 1, 1)] == ["", "", "a", " a"]
    assert tokenizer.decode([0, 0, 1, 1]) == "a a"


def test_a_tokenizer_that_puts_no_space_before_a_text_takes_none_away():
    ids = TOKENIZERS["gemma"].encode(" a a", add_special_tokens=False).ids
    assert pieces("gemma", ids) == [" a", " a", ""]


@kinds
def test_special_tokens_have_no_text(kind):
    assert "".join(pieces(kind, [1, 2])) == ""


def test_an_unfinished_character_at_the_end_becomes_one_replacement():
    ids = TOKENIZERS["level"].encode("😀", add_special_tokens=False).ids
    assert pieces("level", ids[:-1])[-1] == "\ufffd"


def byte_ids(kind: str, run: bytes) -> list[int]:
    vocab = TOKENIZERS[kind].get_vocab()
    return [vocab[f"<0x{byte:02X}>"] for byte in run]


@pytest.mark.parametrize("kind", BYTE_FALLBACK)
def test_one_invalid_byte_replaces_its_whole_run_and_from_then_on_nothing_is_held_back(kind):
    ids = byte_ids(kind, b"\xe4\xbd\xa0\xffab")
    assert pieces(kind, ids) == ["", "", "", "\ufffd" * 4, "\ufffd", "\ufffd", ""]
    assert "".join(pieces(kind, ids)) == whole(kind, ids)


@pytest.mark.parametrize("kind", BYTE_FALLBACK)
def test_what_the_librarys_stream_raises_at_is_streamed_as_it_is_decoded(kind):
    ids = [*byte_ids(kind, "你".encode() + b"\xff"), TOKENIZERS[kind].get_vocab()["▁a"]]
    stream = decoders.DecodeStream(ids=[], skip_special_tokens=True)
    with pytest.raises(Exception, match="Invalid prefix"):
        _ = [stream.step(TOKENIZERS[kind], token_id) for token_id in ids]
    assert "".join(pieces(kind, ids)) == whole(kind, ids)


@pytest.mark.parametrize(
    "decoder",
    [
        decoders.WordPiece(),
        decoders.BPEDecoder(),
        decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 0, 1)]),
        decoders.Sequence([decoders.Fuse(), decoders.Replace(" ,", ",")]),
    ],
)
def test_a_decoder_in_which_the_end_changes_what_came_before_is_refused(decoder):
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    tokenizer.decoder = decoder
    with pytest.raises(ValueError, match="can't be followed token by token"):
        Vocabulary(tokenizer)


@kinds
@given(text=texts)
def test_the_bytes_of_a_texts_tokens_are_the_texts_bytes(kind, text):
    ids = TOKENIZERS[kind].encode(text, add_special_tokens=False).ids
    written = b"".join(map(VOCABULARIES[kind].token_bytes, ids)).decode(errors="replace")
    assert written in (whole(kind, ids), " " + whole(kind, ids)), "the first token's leading space is no text"


@kinds
def test_tokens_without_text_have_no_bytes(kind):
    special = TOKENIZERS[kind].get_vocab()["</s>"]
    assert [VOCABULARIES[kind].token_bytes(token_id) for token_id in (special, VOCAB_SIZE + 8)] == [b"", b""]
