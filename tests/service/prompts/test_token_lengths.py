"""A text is called too long by its length only if it is: for tokenizers of every kind that checkpoints have."""

import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

import service.demo
from service.prompts.token_lengths import WHITE_SPACE, TokenLengths, num_visible
from tests.support.tokenizers import SENTENCES, byte_fallback_tokenizer, byte_level_tokenizer, sentencepiece_tokenizers

DEMO = Path(service.demo.__file__).parent / "checkpoint/tokenizer.json"


def with_normalizer(tokenizer: Tokenizer, *parts) -> Tokenizer:
    tokenizer.normalizer = normalizers.Sequence(list(parts))
    return tokenizer


def with_tokens(tokenizer: Tokenizer, *tokens: AddedToken) -> Tokenizer:
    tokenizer.add_special_tokens(list(tokens))
    return tokenizer


def with_pre_tokenizer(tokenizer: Tokenizer, pre_tokenizer) -> Tokenizer:
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizer, pre_tokenizers.ByteLevel()])
    return tokenizer


def of_characters(**settings) -> Tokenizer:
    """A vocabulary of few characters, which lacks most."""
    vocab = {token: index for index, token in enumerate(["<unk>", "a", "b", "ab"])}
    return Tokenizer(models.BPE(vocab, [("a", "b")], **settings))


SWALLOWING = AddedToken("<|user|>", lstrip=True, rstrip=True)
KNOWN = {
    "demo": Tokenizer.from_file(str(DEMO)),
    "byte level": byte_level_tokenizer(),
    **sentencepiece_tokenizers(),
    "NFC": with_normalizer(byte_level_tokenizer(), normalizers.NFC()),
    "NFKC": with_normalizer(byte_fallback_tokenizer(), normalizers.NFKC()),
    "NFD": with_normalizer(byte_level_tokenizer(), normalizers.NFD()),
    "Strip": with_normalizer(byte_level_tokenizer(), normalizers.Strip()),
    "Lowercase": with_normalizer(byte_level_tokenizer(), normalizers.Lowercase()),
    "shortened": with_normalizer(byte_level_tokenizer(), normalizers.Replace("aaa", "b")),
    "twice": with_normalizer(
        byte_level_tokenizer(), normalizers.Replace("aa", "b"), normalizers.Replace("bb", "c"), normalizers.NFC()
    ),
    "swallowing": with_tokens(byte_fallback_tokenizer(), SWALLOWING),
    "normalized tokens": with_tokens(
        with_normalizer(byte_level_tokenizer(), normalizers.Replace("x", "yyyyyyyyyyyyyyyy")),
        AddedToken("xx", normalized=True),
    ),
    "words": with_pre_tokenizer(byte_level_tokenizer(), pre_tokenizers.WhitespaceSplit()),
    "spaces removed": with_pre_tokenizer(byte_level_tokenizer(), pre_tokenizers.Digits(individual_digits=True)),
    "unknown one by one": of_characters(unk_token="<unk>"),
}
LENGTHS = {name: TokenLengths(tokenizer) for name, tokenizer in KNOWN.items()}

UNKNOWN = {
    "a normalizer that drops": with_normalizer(byte_level_tokenizer(), normalizers.StripAccents()),
    "one that replaces by nothing": with_normalizer(byte_level_tokenizer(), normalizers.Replace("a", "")),
    "one that replaces patterns": with_normalizer(byte_level_tokenizer(), normalizers.Replace(Regex("a+"), "a")),
    "BERT's normalizer": with_normalizer(byte_level_tokenizer(), normalizers.BertNormalizer()),
    "a pre-tokenizer that drops": with_pre_tokenizer(
        byte_level_tokenizer(), pre_tokenizers.Split("a", behavior="removed")
    ),
    "unknown characters vanish": of_characters(),
    "unknown characters fuse": of_characters(unk_token="<unk>", fuse_unk=True),
    "some bytes lack": of_characters(byte_fallback=True),
    "words": Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")),
    "word pieces": Tokenizer(models.WordPiece({"<unk>": 0}, unk_token="<unk>")),
    "Unigram": Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0)),
}

PIECES = [
    "a",
    "aaa",
    "ab",
    "x",
    " ",
    "\n",
    "\u3000",
    "<|user|>",
    "</s>",
    "e\u0301",
    "\u1f82",
    "\u03b1\u0313\u0300\u0345",
]
PIECES += [
    "\u1112\u1161\u11ab",
    "\ufb01",
    "▁",
    "Ġ",
    "🙂",
    "<0x41>",
    *(word for text in SENTENCES for word in text.split()),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=30).map("".join)


@pytest.mark.parametrize("name", KNOWN)
@given(text=TEXTS)
@example(text="\u03b1\u0313\u0300\u0345" * 50)
@example(text="a" * 500)
@example(text="<|user|>" + " \n\t\u3000" * 500 + "<|user|>")
def test_no_text_is_said_to_have_more_tokens_than_it_has(name, text):
    for special in (False, True):
        tokens = KNOWN[name].encode(text, add_special_tokens=special).ids
        assert not LENGTHS[name].are_more([text], len(tokens))
    assert not LENGTHS[name].are_more([text[:5], text[5:]], len(tokens))


@pytest.mark.parametrize("name", KNOWN)
def test_a_text_of_many_characters_is_known_to_have_more(name):
    lengths = LENGTHS[name]
    assert math.isfinite(lengths.longest)
    assert lengths.are_more(["word " * 1000], math.ceil(4000 / lengths.longest) - 1)
    assert lengths.are_more(["word "] * 1000, math.ceil(4000 / lengths.longest) - 1)
    assert not lengths.are_more([" \n\u3000" * 1000], 0)


@pytest.mark.parametrize("name", UNKNOWN)
def test_where_text_may_vanish_nothing_is_said(name):
    lengths = TokenLengths(UNKNOWN[name])
    assert lengths.longest == math.inf
    assert not lengths.are_more(["word" * 1000], 1)


def test_spaces_of_bytes_do_not_count_for_the_longest_token():
    tokenizer = byte_level_tokenizer()
    before = TokenLengths(tokenizer).longest
    spaces = "Ġ" * 64
    tokenizer.model = models.BPE({**tokenizer.get_vocab(with_added_tokens=False), spaces: 9999}, [])
    assert TokenLengths(tokenizer).longest == before


def test_only_what_it_takes_is_read():
    lengths = LENGTHS["byte level"]

    def texts():
        yield "a" * 100_000
        raise AssertionError("the next text was read")

    assert lengths.are_more(texts(), 10)


def test_white_space_is_what_any_library_takes_for_it():
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert set(filter(str.isspace, characters)) == set(WHITE_SPACE)


def test_a_composed_character_has_at_most_four_and_none_becomes_white_space():
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and not chr(code).isspace()]
    assert max(len(unicodedata.normalize("NFD", character)) for character in characters) == 4
    assert all(num_visible(unicodedata.normalize("NFKD", character)) for character in characters)


def test_a_composed_character_may_have_been_four():
    composed = "\u1f82"
    vocab = {"?": 0, composed: 1}
    tokenizer = with_normalizer(Tokenizer(models.BPE(vocab, [], unk_token="?")), normalizers.NFC())
    text = unicodedata.normalize("NFD", composed) * 50
    assert (len(text), len(tokenizer.encode(text).ids)) == (200, 50)
    assert not TokenLengths(tokenizer).are_more([text], 50)
