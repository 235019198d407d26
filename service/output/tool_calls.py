"""Tool calls in a model's text, which comes in pieces: what is text goes out, and what is a call, as it is written."""

from collections.abc import Collection

from service.output.tool_formats.formats import TOOL_FORMATS
from service.output.tool_formats.reading import SEPARATORS, SPACE, CallDelta, CallSink, NotACallError, Reading
from service.output.tool_formats.special_tokens import without_shown
from service.requests.call_format import CallFormat


class ToolCallSearch:
    """Finds the calls in a completion.

    A completion begins with text, where its format has a marker for calls, or with calls. Text goes out at once but for
    what may be the beginning of a marker, and white space before it. A call goes out from where its first argument has
    a name; what breaks sooner is text. Behind a call all but further calls is left out: who calls says nothing else.

    A call that has begun to go out and breaks or is cut stays as far as it went, which is no whole object. It is given
    back as text too, and so is all that follows it.

    Neither the pieces of the text nor their number make a difference.

    Args:
        names: The tools' names; without any, everything comes back at once.
        call_format: How the model writes calls.

    Attributes:
        has_calls: Whether a call has gone out, or has begun to.
        is_broken: Whether the last one broke or was cut.
        has_rest: Whether something else stands behind the calls, which may be the beginning of another.
    """

    def __init__(self, names: Collection[str], call_format: CallFormat = CallFormat.LLAMA3_JSON) -> None:
        self.is_broken = False
        self.has_rest = False
        self._format = TOOL_FORMATS[call_format]
        self._sink = CallSink(names)
        self._held = ""
        self._holds_space = True  # and nothing else
        self._marker = ""  # with the white space before it; empty once what stands behind it has had an end
        self._read: list[str] = []
        self._is_over = not names
        self._reader: Reading[None] | None = None
        if names and self._format.is_bare:
            self._begin()

    @property
    def has_calls(self) -> bool:
        return self._sink.num_whole > 0 or self._sink.is_sent

    def push(self, text: str) -> str:
        """The text that is not part of a call, and can't become one."""
        settled = ""
        while text:
            if self._is_over:
                settled += text
                break
            let_go, text = self._look(text) if self._reader is None else self._follow(self._reader, text)
            settled += let_go
        return without_shown(settled)

    def flush(self) -> str:
        """The text held back, once no text follows: the beginning of a call, or white space."""
        if self._is_over:
            return ""
        self._is_over = True
        held = self._held + self._marker + "".join(self._read)
        if self._sink.is_sent:
            self.is_broken = True
        elif self.has_calls:
            has_begun = self._sink.is_candidate or bool(self._marker)
            self.has_rest = self.has_rest or has_begun or bool(self._held.strip(SEPARATORS))
            return ""
        return without_shown(held)

    def take(self) -> list[CallDelta]:
        """What calls have grown by since the last time."""
        return self._sink.take()

    def _begin(self) -> None:
        self._reader = self._format.read(self._sink)
        next(self._reader)

    def _look(self, text: str) -> tuple[str, str]:
        """Looks for a marker; the text to let go, and what is still to be read."""
        if self._holds_space and not text.strip(SPACE):  # or much of it would be looked at again with each piece
            self._held += text
            return "", ""
        seen, self._held = self._held + text, ""
        found = self._format.find(seen)
        end = found.start() if found else len(seen) - self._format.num_held(seen)
        spoken = seen[:end].rstrip(SPACE)
        if found:
            self._marker = seen[len(spoken) : found.end()]
            self._sink.is_marked = True
            self._begin()
        else:
            self._held = seen[len(spoken) :]
        self._holds_space = not self._held.strip(SPACE)
        if self.has_calls:
            self.has_rest = self.has_rest or bool(spoken.strip(SEPARATORS))
            spoken = ""
        return spoken, seen[found.end() :] if found else ""

    def _follow(self, reader: Reading[None], text: str) -> tuple[str, str]:
        """Has a reader read; the text to let go, and what is still to be read."""
        num_ends = self._sink.num_ends
        for place, character in enumerate(text):
            self._read.append(character)
            try:
                reader.send(character)
            except StopIteration:
                self._marker, self._read, self._reader = "", [], None
                return "", text[place + 1 :]
            except NotACallError:
                self._read.pop()
                return self._break(text[place:])
            if self._sink.num_ends != num_ends:
                num_ends = self._sink.num_ends
                self._marker = ""
                self._read.clear()
        return "", ""

    def _break(self, rest: str) -> tuple[str, str]:
        """What becomes of what a reader has read when it meets what is no call; as `_follow`."""
        read, self._read, self._reader = "".join(self._read), [], None
        marker, self._marker = self._marker, ""
        if self._sink.is_sent:
            self.is_broken = self._is_over = True
            return marker + read, rest
        is_candidate = self._sink.is_candidate
        self._sink.discard()
        if not self.has_calls:
            return marker + read, rest
        self.has_rest = self.has_rest or is_candidate or bool(marker)
        if not is_candidate:
            return "", read + rest  # without the marker, which would be found again
        return "", rest
