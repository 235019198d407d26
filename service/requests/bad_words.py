"""Bad words: texts that must not stand in a completion, as the tokens with which a model would write them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from service.errors import InvalidRequestError

MAX_BAD_WORDS = 64
MAX_BAD_WORD_CHARACTERS = 256


def token_sequences(
    words: Sequence[str], encode: Callable[[list[str]], list[list[int]]], vocab_size: int
) -> tuple[tuple[int, ...], ...]:
    """Each way in which the words are written, once.

    As in vLLM, a word is looked for with and without a space before it.

    Args:
        words: The words, none of them empty.
        encode: Gives the tokens of texts, without any that a tokenizer adds around them.
        vocab_size: The model's; it can't write a word that has other tokens.

    Raises:
        InvalidRequestError: The tokenizer has nothing for a word.
    """
    found: dict[tuple[int, ...], None] = {}
    for index, word in enumerate(words):
        bare = word.lstrip() or word
        spellings = list(_spellings(encode([bare, f" {bare}", f"\n{bare}", "\n"])))
        if not spellings:
            field = f"sampling_params.bad_words[{index}]"
            raise InvalidRequestError(f"{field} is a text without tokens in this model: leave it out", field)
        found.update(dict.fromkeys(spellings))
    return tuple(tokens for tokens in found if all(token_id < vocab_size for token_id in tokens))


def _spellings(encoded: Iterable[list[int]]) -> Iterator[tuple[int, ...]]:
    bare, spaced, behind, line_break = map(tuple, encoded)
    yield from filter(None, (bare, spaced))
    # SentencePiece writes a space before any text; without one its tokens show only behind something else.
    if behind[: len(line_break)] == line_break and len(behind) > len(line_break):
        yield behind[len(line_break) :]
