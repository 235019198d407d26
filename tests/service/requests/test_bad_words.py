"""Bad words as token sequences: whatever stands before a word, one of its sequences is what the model would write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequestError
from service.prompts.tokenizer import Chat
from service.requests.bad_words import token_sequences
from tests.support.tokenizers import SENTENCES, byte_level_tokenizer, save_tokenizer, sentencepiece_tokenizers

VOCAB_SIZE = 512
TOKENIZERS = {"level": byte_level_tokenizer(VOCAB_SIZE), **sentencepiece_tokenizers(VOCAB_SIZE)}
WORDS = sorted({word.strip(".,;?") for sentence in SENTENCES for word in sentence.split()})

kinds = pytest.mark.parametrize("kind", TOKENIZERS)


def encode(kind: str, texts: list[str]) -> list[list[int]]:
    return [encoded.ids for encoded in TOKENIZERS[kind].encode_batch(texts, add_special_tokens=False)]


def has(tokens: list[int], sequences: tuple[tuple[int, ...], ...]) -> bool:
    """Whether one of the sequences stands in the tokens."""
    return any(
        tuple(tokens[start : start + len(sequence)]) == sequence
        for sequence in sequences
        for start in range(len(tokens))
    )


@kinds
@given(word=st.sampled_from(WORDS), before=st.sampled_from(["", " ", "\n", "12\n"]))
def test_a_word_is_found_at_the_start_behind_a_space_and_behind_a_line_break(kind: str, word: str, before: str) -> None:
    sequences = token_sequences([word], lambda texts: encode(kind, texts), VOCAB_SIZE)
    assert has(encode(kind, [f"{before}{word}"])[0], sequences)
    assert len(sequences) == len(set(sequences)) <= 3


@kinds
@pytest.mark.parametrize("word", [" ", "\n", "\n\n", "  Where", "é", "你好", "🐉", "</s>", "<unk>"])
def test_any_text_has_sequences_none_of_them_empty(kind: str, word: str) -> None:
    sequences = token_sequences([word], lambda texts: encode(kind, texts), VOCAB_SIZE)
    assert sequences
    assert all(sequences)


def test_spaces_before_a_word_change_nothing() -> None:
    bare, spaced = [token_sequences([word], lambda texts: encode("level", texts), 512) for word in ("New", "  New")]
    assert bare == spaced


def test_words_share_what_they_have_in_common_and_what_the_model_lacks_is_left_out() -> None:
    spelled = {"a": [5], " a": [6], "\na": [9, 5], "b": [5], " b": [700], "\nb": [9], "\n": [9]}
    sequences = token_sequences(["a", "b"], lambda texts: [spelled[text] for text in texts], VOCAB_SIZE)
    assert sequences == ((5,), (6,))


def test_a_text_without_tokens_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidRequestError, match="without tokens") as caught:
        token_sequences(["a", "b"], lambda texts: [[5] if "a" in text else [] for text in texts], VOCAB_SIZE)
    assert caught.value.field == "sampling_params.bad_words[1]"


async def test_a_special_token_written_out_is_plain_text(tmp_path) -> None:
    chat = Chat.load(save_tokenizer(tmp_path, TOKENIZERS["level"]))
    sequences = await chat.encode_bad_words(["</s>"], VOCAB_SIZE)
    assert sequences
    assert (2,) not in sequences, "that would keep the completion from ending"
    assert await chat.encode_bad_words([], VOCAB_SIZE) == ()
