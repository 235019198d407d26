"""How much text a token can stand for, so that a text that has too many tokens is known by its length.

White space is not counted: tokens swallow any amount of it (`rstrip`), and templates and normalizers trim it. The rest
shrinks only where a tokenizer normalizes it, drops some, or makes one token of all that it does not know. Where that
has no bound, nothing is known.
"""

import json
import math
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

from service.output.detokenizer import BYTE_ALPHABET

Part = dict[str, Any]

# All that Python, Rust or Unicode call white space.
WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))

# The most code points that one character of a composed form has in its canonical decomposition: U+1F82 has four.
_COMPOSED = 4

_KEEP_ALL = {"Prepend", "Lowercase", "ByteLevel", "NFD", "NFKD", "Strip"}
_SPLIT_ONLY = {
    *("ByteLevel", "Metaspace", "Digits", "UnicodeScripts", "FixedLength"),
    *("Whitespace", "WhitespaceSplit", "BertPreTokenizer"),
}

# As vocabularies of bytes write them.
_SPACES_IN_DISGUISE = {ord(character): None for character, byte in BYTE_ALPHABET.items() if byte in b" \t\n\v\f\r"}

# So that a text is read no further than it takes to tell.
_SLICE = 1 << 14


def num_visible(text: str) -> int:
    """The characters of a text that are no white space."""
    return len(text) - sum(map(text.count, WHITE_SPACE))


class TokenLengths:
    """What is known of the lengths of a tokenizer's tokens.

    Args:
        tokenizer: The tokenizer.

    Attributes:
        longest: The most characters without white space that a token stands for; infinite if that is not known.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        whole = json.loads(tokenizer.to_str())
        factor = _shrinks(whole["normalizer"]) * _drops(whole["pre_tokenizer"]) * _fuses(whole)
        vocabulary = list(tokenizer.get_vocab(with_added_tokens=False))
        if _is_byte_level(whole):
            vocabulary = [token.translate(_SPACES_IN_DISGUISE) for token in vocabulary]
        self.longest = max(1, *map(num_visible, vocabulary), *map(num_visible, _added(tokenizer))) * factor

    def are_more(self, texts: Iterable[str], num_tokens: int) -> bool:
        """Whether texts, joined or not, must have more tokens than a number. If not, they may still.

        Takes a time that depends on the number and on how much white space there is, not on how long the texts are.
        """
        room = num_tokens * self.longest
        for text in texts if math.isfinite(room) else ():
            for start in range(0, len(text), _SLICE):
                room -= num_visible(text[start : start + _SLICE])
                if room < 0:
                    return True
        return False


def _added(tokenizer: Tokenizer) -> Iterable[str]:
    """Added tokens, also as they are found in a normalized text."""
    for token in tokenizer.get_added_tokens_decoder().values():
        yield token.content
        if tokenizer.normalizer is not None:
            yield tokenizer.normalizer.normalize_str(token.content)


def _parts(part: Part | None, name: str) -> list[Part]:
    if part is None:
        return []
    return part[name] if part["type"] == "Sequence" else [part]


def _shrinks(normalizer: Part | None) -> float:
    """How many times as long as its normalized form a text can be."""
    factor = 1.0
    for part in _parts(normalizer, "normalizers"):
        match part["type"]:
            case "Sequence":
                factor *= _shrinks(part)
            case "Replace":
                factor *= _replaces(part)
            case "NFC" | "NFKC":
                factor *= _COMPOSED
            case kind if kind not in _KEEP_ALL:
                return math.inf
    return factor


def _replaces(part: Part) -> float:
    pattern = part["pattern"].get("String")
    if pattern is None:
        return math.inf
    before, after = num_visible(pattern), num_visible(part["content"])
    if before <= after:
        return 1
    return before / after if after else math.inf


def _drops(pre_tokenizer: Part | None) -> float:
    """Infinite if it may leave out more of a text than white space, else 1."""
    for part in _parts(pre_tokenizer, "pretokenizers"):
        match part["type"]:
            case "Sequence":
                is_known = _drops(part) == 1
            case "Split" | "Punctuation":
                is_known = part["behavior"] != "Removed"
            case kind:
                is_known = kind in _SPLIT_ONLY
        if not is_known:
            return math.inf
    return 1


def _fuses(whole: Part) -> float:
    """Infinite if characters that the vocabulary lacks may vanish, or many become one token, else 1."""
    model = whole["model"]
    names = {name for name, _ in model["vocab"]} if isinstance(model.get("vocab"), list) else set(model["vocab"])
    if model.get("byte_fallback") and names.issuperset(f"<0x{byte:02X}>" for byte in range(256)):
        return 1
    if model["type"] != "BPE":
        return math.inf
    if _is_byte_level(whole):
        return 1 if names.issuperset(BYTE_ALPHABET) else math.inf
    is_each_one_token = model.get("unk_token") and not model.get("fuse_unk")
    return 1 if is_each_one_token else math.inf


def _is_byte_level(whole: Part) -> bool:
    parts = _parts(whole["pre_tokenizer"], "pretokenizers") + _parts(whole["normalizer"], "normalizers")
    return any(part["type"] == "ByteLevel" for part in parts)
