"""Token ids to text, a token at a time.

What is pushed comes back as soon as no later token can change it, so the joined pieces equal what the tokenizer makes
of all ids at once. Each token costs the same however long the completion is. The library's own `DecodeStream` does
neither: it loses an unfinished end, and raises where an invalid byte follows whole characters.
"""

import codecs
import json
import re
from collections.abc import Iterable
from typing import Protocol

from tokenizers import Tokenizer

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class Detokenizer(Protocol):
    """Turns one completion's token ids into text."""

    def push(self, token_ids: Iterable[int]) -> str:
        """The text that these tokens settle, which may be of earlier ones; empty if there is none."""

    def flush(self) -> str:
        """The text held back, once no token follows."""


class Vocabulary:
    """What detokenizers of one tokenizer share.

    Args:
        tokenizer: Is not to be changed any more.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._special_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        self._is_byte_level = "ByteLevel" in _decoder_types(tokenizer)

    def detokenizer(self) -> Detokenizer:
        """A fresh detokenizer of the kind that the tokenizer needs."""
        return ByteLevelDetokenizer(self) if self._is_byte_level else ByteFallbackDetokenizer(self)

    def token(self, token_id: int) -> str | None:
        """The token as the vocabulary writes it; None if it has no text: a special one, or one that only pads."""
        return None if token_id in self._special_ids else self._tokenizer.id_to_token(token_id)

    def decode(self, token_ids: list[int]) -> str:
        """The text of tokens, decoded at once."""
        return self._tokenizer.decode(token_ids, skip_special_tokens=True)


class ByteLevelDetokenizer:
    """For vocabularies whose tokens are bytes in disguise (GPT-2, Llama 3, Qwen): any token may cut a character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_ids: Iterable[int]) -> str:
        """See `Detokenizer`."""
        tokens = (self._vocabulary.token(token_id) for token_id in token_ids)
        return self._utf8.decode(b"".join(_to_bytes(token) for token in tokens if token))

    def flush(self) -> str:
        """See `Detokenizer`."""
        return self._utf8.decode(b"", final=True)


class ByteFallbackDetokenizer:
    """For vocabularies of texts, with tokens `<0x00>` to `<0xFF>` for what they lack (SentencePiece, Llama 2).

    A run of byte tokens waits for its end: one invalid byte in it makes U+FFFD of every byte of the run. The other
    tokens are decoded behind the one before them, since the first of a text loses its leading space.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._context: list[int] = []
        self._context_text = ""
        self._held: list[int] = []

    def push(self, token_ids: Iterable[int]) -> str:
        """See `Detokenizer`."""
        settled = 0
        for token_id in token_ids:
            token = self._vocabulary.token(token_id)
            if token is None:
                continue
            self._held.append(token_id)
            if not _BYTE_TOKEN.fullmatch(token):
                settled = len(self._held)
        return self._take(settled)

    def flush(self) -> str:
        """See `Detokenizer`."""
        return self._take(len(self._held))

    def _take(self, count: int) -> str:
        if count == 0:
            return ""
        taken, self._held = self._held[:count], self._held[count:]
        text = self._vocabulary.decode(self._context + taken)[len(self._context_text) :]
        self._context = taken[-1:]
        self._context_text = self._vocabulary.decode(self._context)
        return text


def _decoder_types(tokenizer: Tokenizer) -> set[str]:
    if tokenizer.decoder is None:
        return set()
    # the binding tells what a decoder is made of only by pickling it, as JSON
    decoder = json.loads(tokenizer.decoder.__getstate__())
    return {part["type"] for part in decoder.get("decoders", [decoder])}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's way to write bytes as visible characters, which all byte-level vocabularies share."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    shifted = {chr(256 + index): byte for index, byte in enumerate(hidden)}
    return {chr(byte): byte for byte in visible} | shifted


_BYTE_ALPHABET = _byte_alphabet()


def _to_bytes(token: str) -> bytes:
    try:
        return bytes(_BYTE_ALPHABET[character] for character in token)
    except KeyError:
        # an added token, which is written as it is
        return token.encode()
