"""What a search for calls looks for, by the format in which the model writes them."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from service.output.tool_formats import special_tokens
from service.output.tool_formats.hermes import hermes
from service.output.tool_formats.json_calls import llama3_json
from service.output.tool_formats.mistral import mistral
from service.output.tool_formats.pythonic import pythonic
from service.output.tool_formats.reading import CallSink, Reading
from service.output.tool_formats.special_tokens import SHOWN
from service.requests.call_format import CallFormat

Reader: TypeAlias = Callable[[CallSink], Reading[None]]


@dataclass(frozen=True, slots=True)
class ToolFormat:
    """How to look for calls.

    Attributes:
        read: Reads them, from the beginning of the completion or behind a marker.
        markers: What calls stand behind wherever it is in the completion; text may stand before it.
        is_bare: Whether a completion may also begin with calls without a marker.
        tokens: What may be special tokens in a vocabulary and is to be seen all the same.
    """

    read: Reader
    markers: tuple[str, ...]
    is_bare: bool
    tokens: tuple[str, ...]

    def find(self, text: str) -> re.Match[str] | None:
        """The first marker in a text."""
        return _pattern(self.markers).search(text)

    def num_held(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a marker."""
        longest = max(map(len, self.markers)) - 1
        for number in range(min(longest, len(text)), 0, -1):
            if any(marker.startswith(text[-number:]) for marker in self.markers):
                return number
        return 0


@functools.cache
def _pattern(markers: tuple[str, ...]) -> re.Pattern[str]:
    """The markers, as special tokens or written out."""
    return re.compile("|".join(re.escape(written) for marker in markers for written in (marker, SHOWN[marker])))


_PYTHON = (special_tokens.PYTHON_TAG, special_tokens.PYTHON_START)
_MISTRAL = (special_tokens.TOOL_CALLS, special_tokens.ARGS, special_tokens.CALL_ID)

TOOL_FORMATS = {
    CallFormat.LLAMA3_JSON: ToolFormat(llama3_json, _PYTHON[:1], is_bare=True, tokens=_PYTHON[:1]),
    CallFormat.HERMES: ToolFormat(
        hermes,
        (special_tokens.TOOL_CALL,),
        is_bare=False,
        tokens=(special_tokens.TOOL_CALL, special_tokens.END_OF_TOOL_CALL),
    ),
    CallFormat.MISTRAL: ToolFormat(mistral, _MISTRAL[:1], is_bare=False, tokens=_MISTRAL),
    CallFormat.MISTRAL_NAMED: ToolFormat(mistral, _MISTRAL[:1], is_bare=False, tokens=_MISTRAL),
    CallFormat.PYTHONIC: ToolFormat(pythonic, _PYTHON, is_bare=True, tokens=(*_PYTHON, special_tokens.PYTHON_END)),
}


def shown_tokens(call_format: CallFormat) -> dict[str, str]:
    """The characters that stand for a format's special tokens in the text that is searched, by the tokens."""
    return {token: SHOWN[token] for token in TOOL_FORMATS[call_format].tokens}
