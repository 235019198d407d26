"""Token ids to text, a token at a time.

Text comes back as soon as no later token can change it. So the joined pieces equal what the tokenizer makes of all ids
at once. Each token costs the same however long the completion is, and nothing raises, whatever the ids are.
The library's own `DecodeStream` is none of these: it sends characters that a later byte turns into U+FFFD, raises when
one has, and loses an unfinished end.
"""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from tokenizers import Tokenizer

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_REPLACEMENT = "\ufffd"

# Decoders that look at one token, at whether it is the first, or at a run of byte tokens; and `Fuse` joins the texts.
_DECODERS_OF_TOKENS = {"Replace", "ByteFallback", "Metaspace", "Strip"}


class Detokenizer(Protocol):
    """Turns one completion's token ids into text."""

    def push(self, token_ids: Iterable[int]) -> str:
        """The text that these tokens settle, which may be of earlier ones; empty if there is none."""

    def flush(self) -> str:
        """The text held back, once no token follows, or none that could change it."""


class Vocabulary:
    """What detokenizers of one tokenizer share.

    Args:
        tokenizer: Is not to be changed any more.

    Raises:
        ValueError: The tokenizer decodes in a way in which later tokens may change all text before them.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.get_added_tokens_decoder()
        self._special_ids_by_token = {token.content: token_id for token_id, token in added.items() if token.special}
        self._special_ids = frozenset(self._special_ids_by_token.values())
        decoders = _decoders(tokenizer)
        names = [decoder["type"] for decoder in decoders]
        self._token_bytes: dict[int, bytes] = {}
        self._texts_behind: dict[int, str | None] = {}
        self._is_byte_level = names == ["ByteLevel"]
        self._has_byte_fallback = "ByteFallback" in names
        if self._is_byte_level:
            return
        if not _can_stream(decoders):
            raise ValueError(f"its decoder, {' + '.join(names)}, can't be followed token by token")
        self._other_id = self._find_other(added.keys())
        self._other_text = self.decode([self._other_id])

    def detokenizer(self, shown: Mapping[str, str] | None = None) -> Detokenizer:
        """A fresh detokenizer of the kind that the tokenizer needs.

        Args:
            shown: Texts that stand for special tokens, which otherwise have none, by the tokens; the vocabulary need
                not have them.
        """
        plain = ByteLevelDetokenizer(self) if self._is_byte_level else ByteFallbackDetokenizer(self)
        ids = {self._special_ids_by_token.get(token): text for token, text in (shown or {}).items()}
        texts = {token_id: text for token_id, text in ids.items() if token_id is not None}
        return ShowingDetokenizer(plain, texts) if texts else plain

    def token(self, token_id: int) -> str | None:
        """The token as the vocabulary writes it; None if it has no text: a special one, or one that only pads."""
        return None if token_id in self._special_ids else self._tokenizer.id_to_token(token_id)

    def byte(self, token: str) -> int | None:
        """The byte that a token stands for; None if it stands for text."""
        match = _BYTE_TOKEN.fullmatch(token) if self._has_byte_fallback else None
        return int(match[1], 16) if match else None

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token adds to a text that has begun; none if it has no text."""
        if token_id not in self._token_bytes:
            self._token_bytes[token_id] = self._make_token_bytes(token_id)
        return self._token_bytes[token_id]

    def decode(self, token_ids: list[int]) -> str:
        """The text of tokens, decoded at once."""
        return self._tokenizer.decode(token_ids, skip_special_tokens=True)

    def decode_behind(self, token_ids: list[int]) -> str:
        """The text of tokens that stand behind others, so that the first of them keeps its leading space."""
        return self.decode([self._other_id, *token_ids])[len(self._other_text) :]

    def text_behind(self, token_id: int) -> str | None:
        """The text of one token that stands behind others; None if it has none of its own: a special one, or a byte."""
        if token_id not in self._texts_behind:
            token = self.token(token_id)
            has_text = token is not None and self.byte(token) is None
            self._texts_behind[token_id] = self.decode_behind([token_id]) if has_text else None
        return self._texts_behind[token_id]

    def _find_other(self, added_ids: Iterable[int]) -> int:
        """A token that can stand for all those before another."""
        ids = set(range(self._tokenizer.get_vocab_size())).difference(added_ids)
        for token_id in sorted(ids):
            token = self.token(token_id)
            if token is not None and self.byte(token) is None and self.decode([token_id]).strip():
                return token_id
        raise ValueError("it has no token with text")

    def _make_token_bytes(self, token_id: int) -> bytes:
        token = self.token(token_id)
        if token is None:
            return b""
        if self._is_byte_level:
            return _to_bytes(token)
        byte = self.byte(token)
        return self.decode_behind([token_id]).encode() if byte is None else bytes([byte])


class ByteLevelDetokenizer:
    """For vocabularies whose tokens are bytes in disguise (GPT-2, Llama 3, Qwen): any token may cut a character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_ids: Iterable[int]) -> str:
        """See `Detokenizer`."""
        return self._utf8.decode(b"".join(map(self._vocabulary.token_bytes, token_ids)))

    def flush(self) -> str:
        """See `Detokenizer`."""
        return self._utf8.decode(b"", final=True)


class ByteFallbackDetokenizer:
    """For vocabularies of texts, with tokens `<0x00>` to `<0xFF>` for what they lack (SentencePiece, Llama 2).

    A run of byte tokens is text only if all of it is valid UTF-8. One invalid byte makes U+FFFD of every byte of the
    run, also of those that were whole characters, so none of these can be sent before the run's end. A run that can't
    become valid any more is settled, byte by byte.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._held: list[int] = []
        self._is_first = True
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._is_invalid = False

    def push(self, token_ids: Iterable[int]) -> str:
        """See `Detokenizer`."""
        text = ""
        for token_id in token_ids:
            if not self._held and not self._is_first and not self._is_invalid:
                # What nearly all tokens are: a text of their own, behind others and no bytes.
                behind = self._vocabulary.text_behind(token_id)
                if behind is not None:
                    text += behind
                    continue
            token = self._vocabulary.token(token_id)
            if token is None:
                continue
            self._held.append(token_id)
            if self._settles(token):
                text += self._take()
        return text

    def flush(self) -> str:
        """See `Detokenizer`."""
        text = self._take() if self._held else ""
        self._utf8.reset()
        self._is_invalid = False
        return text

    def _settles(self, token: str) -> bool:
        """Whether the text of what is held is certain with this token."""
        byte = self._vocabulary.byte(token)
        if byte is None:
            self._utf8.reset()
            self._is_invalid = False
            return True
        try:
            self._utf8.decode(bytes([byte]))
        except UnicodeDecodeError:
            self._is_invalid = True
        return self._is_invalid

    def _take(self) -> str:
        if self._is_first:
            text = self._vocabulary.decode(self._held)
            if not text:  # so the next token is still the first, and loses its leading space
                return ""
        elif self._is_invalid:
            text = _REPLACEMENT * len(self._held)
        else:
            text = self._vocabulary.decode_behind(self._held)
        self._is_first = False
        self._held = []
        return text


class ShowingDetokenizer:
    """Shows some special tokens, for others to find them; the text before each is settled by it.

    Args:
        plain: Makes text of all other tokens.
        texts: What stands for the special tokens, by their ids.
    """

    def __init__(self, plain: Detokenizer, texts: Mapping[int, str]) -> None:
        self._plain = plain
        self._texts = texts

    def push(self, token_ids: Iterable[int]) -> str:
        """See `Detokenizer`."""
        pieces: list[str] = []
        for token_id in token_ids:
            shown = self._texts.get(token_id)
            pieces += [self._plain.push([token_id])] if shown is None else [self._plain.flush(), shown]
        return "".join(pieces)

    def flush(self) -> str:
        """See `Detokenizer`."""
        return self._plain.flush()


def _decoders(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    if tokenizer.decoder is None:
        return []
    # the binding tells what a decoder is made of only by pickling it, as JSON
    decoder: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    parts: list[dict[str, Any]] = decoder.get("decoders", [decoder])
    return parts


def _can_stream(decoders: list[dict[str, Any]]) -> bool:
    """Whether a token's text depends only on itself, on whether it is the first, and on its run of byte tokens."""
    names = [decoder["type"] for decoder in decoders]
    num_of_tokens = names.index("Fuse") if "Fuse" in names else len(names)
    of_text = decoders[num_of_tokens + 1 :]
    return _DECODERS_OF_TOKENS.issuperset(names[:num_of_tokens]) and all(
        decoder["type"] == "Strip" and decoder["stop"] == 0 for decoder in of_text
    )


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's way to write bytes as visible characters, which all byte-level vocabularies share."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    shifted = {chr(256 + index): byte for index, byte in enumerate(hidden)}
    return {chr(byte): byte for byte in visible} | shifted


BYTE_ALPHABET = _byte_alphabet()


def _to_bytes(token: str) -> bytes:
    try:
        return bytes(BYTE_ALPHABET[character] for character in token)
    except KeyError:
        # an added token, which is written as it is
        return token.encode()
