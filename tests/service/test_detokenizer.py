"""The detokenizer: joined pieces are the whole text, and come as early as they can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.detokenizer import Vocabulary
from tests.tokenizers import byte_fallback_tokenizer, byte_level_tokenizer

VOCAB_SIZE = 512
TOKENIZERS = {"fallback": byte_fallback_tokenizer(VOCAB_SIZE), "level": byte_level_tokenizer(VOCAB_SIZE)}
VOCABULARIES = {kind: Vocabulary(tokenizer) for kind, tokenizer in TOKENIZERS.items()}

kinds = pytest.mark.parametrize("kind", TOKENIZERS)
# a few ids above the vocabulary: models pad theirs
token_ids = st.lists(st.integers(0, VOCAB_SIZE + 8), max_size=40)
texts = st.text(st.sampled_from("a é ß你世界😀👩‍👩‍👧🏽ñ́العربية \n  ▁"), max_size=30) | st.text(max_size=20)


def pieces(kind: str, ids: list[int]) -> list[str]:
    detokenizer = VOCABULARIES[kind].detokenizer()
    return [*(detokenizer.push([token_id]) for token_id in ids), detokenizer.flush()]


@kinds
@given(ids=token_ids)
def test_joined_pieces_of_any_tokens_are_the_whole_text(kind, ids):
    assert "".join(pieces(kind, ids)) == TOKENIZERS[kind].decode(ids, skip_special_tokens=True)


@kinds
@given(text=texts)
def test_joined_pieces_of_a_text_are_the_whole_text(kind, text):
    ids = TOKENIZERS[kind].encode(text).ids
    assert "".join(pieces(kind, ids)) == TOKENIZERS[kind].decode(ids, skip_special_tokens=True)


@kinds
@given(ids=token_ids, cut=st.integers(0, 40))
def test_tokens_pushed_together_give_what_they_give_one_by_one(kind, ids, cut):
    detokenizer = VOCABULARIES[kind].detokenizer()
    text = detokenizer.push(ids[:cut]) + detokenizer.push(ids[cut:]) + detokenizer.flush()
    assert text == "".join(pieces(kind, ids))


@kinds
def test_a_cut_character_waits_for_its_rest(kind):
    ids = TOKENIZERS[kind].encode("a😀b", add_special_tokens=False).ids
    assert all("\ufffd" not in piece for piece in pieces(kind, ids))
    assert "😀" in "".join(pieces(kind, ids))


@kinds
def test_whole_words_come_with_their_own_token(kind):
    ids = TOKENIZERS[kind].encode("Where is New York", add_special_tokens=False).ids
    assert all(pieces(kind, ids)[:-1])


@kinds
def test_special_tokens_have_no_text(kind):
    assert "".join(pieces(kind, [1, 2])) == ""


def test_an_unfinished_character_at_the_end_becomes_one_replacement():
    ids = TOKENIZERS["level"].encode("😀", add_special_tokens=False).ids
    assert pieces("level", ids[:-1])[-1] == "\ufffd"


def test_a_run_of_bytes_with_an_invalid_one_is_replaced_byte_by_byte_as_the_tokenizer_does():
    vocab = TOKENIZERS["fallback"].get_vocab()
    ids = [vocab[f"<0x{byte:02X}>"] for byte in b"\xe4\xbd\xa0\xff"]
    assert "".join(pieces("fallback", ids)) == "\ufffd" * 4
