"""Log probabilities of tokens, as chat completions and as text completions show them."""

from collections.abc import Iterable
from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

# What OpenAI says for a token that can't be; JSON has no infinity.
LEAST: Final = -9999.0

_CONTINUES: Final = 0b1000_0000  # the upper two bits of a byte of UTF-8 that begins no character
_UPPER_BITS: Final = 0b1100_0000


def chat_logprobs(tokens: Iterable[pb.TokenLogprob]) -> dict[str, Any]:
    """The tokens of an answer or of a part of it. Where one is no whole characters, its bytes tell what it is."""
    content = [{**_entry(token), "top_logprobs": [_entry(likely) for likely in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def _entry(token: pb.TokenLogprob | pb.TopLogprob) -> dict[str, Any]:
    text = token.token.decode("utf-8", "replace")
    return {"token": text, "logprob": max(LEAST, token.logprob), "bytes": list(token.token)}


class CompletionLogprobs:
    """Writes the older shape, in which a token has its place in the text, over all parts of one choice."""

    def __init__(self) -> None:
        self._num_characters = 0

    def add(self, tokens: Iterable[pb.TokenLogprob]) -> dict[str, Any]:
        """The next tokens. Among `top_logprobs` is always the one that was generated."""
        tokens = list(tokens)
        return {
            "tokens": [_name(token.token) for token in tokens],
            "token_logprobs": [max(LEAST, token.logprob) for token in tokens],
            "top_logprobs": [_likely(token) for token in tokens],
            "text_offset": [self._offset(token.token) for token in tokens],
        }

    def _offset(self, token: bytes) -> int:
        """Where the character begins that the token begins or continues."""
        is_inside = bool(token) and token[0] & _UPPER_BITS == _CONTINUES
        offset = self._num_characters - is_inside
        self._num_characters += sum(byte & _UPPER_BITS != _CONTINUES for byte in token)
        return max(0, offset)


def _likely(token: pb.TokenLogprob) -> dict[str, float]:
    """The most likely tokens by name. Of several with one name, the most likely one stands."""
    likely = [(one.logprob, _name(one.token)) for one in token.top]
    likely.append((token.logprob, _name(token.token)))
    named: dict[str, float] = {}
    for logprob, name in sorted(likely, reverse=True):
        named.setdefault(name, max(LEAST, logprob))
    return named


def _name(token: bytes) -> str:
    """A token's text, or as OpenAI writes what is no whole characters, "bytes:" and an escape for each byte."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)
