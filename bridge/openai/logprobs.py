"""Log probabilities of tokens, as chat completions and as text completions show them."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from runstream.v1 import text_generation_pb2 as pb

# What OpenAI says for a token that can't be; JSON has no infinity.
LEAST: Final = -9999.0

_CONTINUES: Final = 0b1000_0000  # the upper two bits of a byte of UTF-8 that begins no character
_UPPER_BITS: Final = 0b1100_0000


def chat_logprobs(tokens: Iterable[pb.TokenLogprob], *, has_token_ids: bool = False) -> dict[str, Any]:
    """The tokens of an answer or of a part of it. Where one is no whole characters, its bytes tell what it is.

    Args:
        tokens: The tokens.
        has_token_ids: Whether they are told by their ids.
    """
    content = [
        {**_entry(token, has_token_ids), "top_logprobs": [_entry(likely, has_token_ids) for likely in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def prompt_logprobs(tokens: Iterable[pb.TokenLogprob]) -> list[dict[str, Any] | None]:
    """The tokens of a prompt as vLLM shows them: for each place its own and the likely ones, by id; none for the first.

    A token's rank is told if it is among the likely ones.
    """
    return [None, *({str(token_id): entry for token_id, entry in _ranked(token).items()} for token in tokens)]


def _with_likely(token: pb.TokenLogprob) -> Iterator[pb.TokenLogprob | pb.TopLogprob]:
    yield token
    yield from token.top


def _ranked(token: pb.TokenLogprob) -> dict[int, dict[str, Any]]:
    ranks = {likely.token_id: rank for rank, likely in enumerate(token.top, 1)}
    return {
        one.token_id: {
            "logprob": max(LEAST, one.logprob),
            "rank": ranks.get(one.token_id),
            "decoded_token": one.token.decode("utf-8", "replace"),
        }
        for one in _with_likely(token)
    }


def _entry(token: pb.TokenLogprob | pb.TopLogprob, has_token_ids: bool) -> dict[str, Any]:
    text = _by_id(token) if has_token_ids else token.token.decode("utf-8", "replace")
    return {"token": text, "logprob": max(LEAST, token.logprob), "bytes": list(token.token)}


class CompletionLogprobs:
    """Writes the older shape, in which a token has its place in the text, over all parts of one choice.

    Args:
        has_token_ids: Whether tokens are told by their ids.
    """

    def __init__(self, *, has_token_ids: bool = False) -> None:
        self._name = _by_id if has_token_ids else _by_text
        self._num_characters = 0

    def add(self, tokens: Iterable[pb.TokenLogprob]) -> dict[str, Any]:
        """The next tokens. Among `top_logprobs` is always the one that was generated."""
        tokens = list(tokens)
        return {
            "tokens": [self._name(token) for token in tokens],
            "token_logprobs": [max(LEAST, token.logprob) for token in tokens],
            "top_logprobs": [self._likely(token) for token in tokens],
            "text_offset": [self._offset(token.token) for token in tokens],
        }

    def _offset(self, token: bytes) -> int:
        """The place of the character that the token begins or continues."""
        is_inside = bool(token) and token[0] & _UPPER_BITS == _CONTINUES
        offset = self._num_characters - is_inside
        self._num_characters += sum(byte & _UPPER_BITS != _CONTINUES for byte in token)
        return max(0, offset)

    def _likely(self, token: pb.TokenLogprob) -> dict[str, float]:
        """The most likely tokens by name. Of several with one name, the most likely one stands."""
        likely = [(one.logprob, self._name(one)) for one in _with_likely(token)]
        named: dict[str, float] = {}
        for logprob, name in sorted(likely, reverse=True):
            named.setdefault(name, max(LEAST, logprob))
        return named


def _by_text(token: pb.TokenLogprob | pb.TopLogprob) -> str:
    """A token's text, or as OpenAI writes what is no whole characters, "bytes:" and an escape for each byte."""
    try:
        return token.token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.token)


def _by_id(token: pb.TokenLogprob | pb.TopLogprob) -> str:
    """A token's id as vLLM writes it."""
    return f"token_id:{token.token_id}"
