"""What others than the chat template have written, hidden from it where it looks like structure."""

import re
import secrets
from collections.abc import Callable, Collection
from typing import Any

from service.prompts.conversation import Entry
from service.prompts.json_texts import with_texts

# Templates put tokens together of roles: GLM's writes `<|` ~ role ~ `|>`.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

# Those that JSON escapes are left to the template, which may write JSON.
_WRITTEN_AS_THEY_ARE = re.compile(r'[^"\\\x00-\x1f]+')


class Quotes:
    """The control texts that one prompt's messages and tools have, each replaced by a name that nobody can guess.

    So is the beginning of one with which a text ends: the next text could complete it.

    Args:
        pattern: Finds control texts.
        begun: Tells how many characters at a text's end are the beginning of one.
        all_texts: All of them, joined.
        roles: The roles that are known.
    """

    def __init__(
        self, pattern: re.Pattern[str], begun: Callable[[str], int], all_texts: str, roles: Collection[str]
    ) -> None:
        self._pattern = pattern
        self._begun = begun
        self._all_texts = all_texts
        self._roles = roles
        self._texts: list[str] = []
        self._nonce = secrets.randbits(64)  # in digits, which a template that changes case leaves alone
        self._names = re.compile(f"\ue000{self._nonce}:(\\d+)\ue001")

    def quoted(self, value: Any) -> Any:
        """A JSON value with the control texts in all its texts replaced, also in those that are keys."""
        return with_texts(value, self._quote)

    def quoted_behind(self, marker: str, message: Entry) -> str:
        """What a message says. The marker before an assistant's own thinking is kept, if it is how this begins."""
        marker, text = (marker, message["content"]) if message["role"] == "assistant" else ("", message["content"])
        begin = text[: len(text) - len(text.lstrip())] + marker
        return begin + self._quote(text.removeprefix(begin)) if text.startswith(begin) else self._quote(text)

    def quoted_role(self, role: str) -> str:
        """A role. One that is not known is replaced if a template could complete a control text with it."""
        if role in self._roles or (role.isalnum() and role not in self._all_texts):
            return role
        return self._hidden(role)

    def restored(self, text: str, change: Callable[[str], str] = str) -> str:
        """A text with what was replaced in its place again.

        Args:
            text: What a template has written.
            change: Is given each of them.
        """
        if not self._texts:
            return text
        return self._names.sub(lambda match: change(self._texts[int(match[1])]), text)

    def _quote(self, text: str) -> str:
        quoted = self._pattern.sub(lambda match: self._hidden(match.group()), text)
        end = len(quoted) - self._begun(quoted)
        return quoted[:end] + self._hidden(quoted[end:])

    def _hidden(self, text: str) -> str:
        return _WRITTEN_AS_THEY_ARE.sub(self._name, text)

    def _name(self, match: re.Match[str]) -> str:
        self._texts.append(match.group())
        return f"\ue000{self._nonce}:{len(self._texts) - 1}\ue001"
