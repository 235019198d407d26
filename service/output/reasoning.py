"""Thinking split from the answer, while both come a token at a time.

Where the markers around the thinking are tokens, only these tokens count: a marker that is spelled with others is what
the model says. Otherwise they are found in the text, wherever tokens cut them. Behind the thinking no marker is looked
for any more.
"""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from service.engine_protocol.thinking import Thinking
from service.output.detokenizer import Detokenizer, Vocabulary


class Piece(NamedTuple):
    """The text that a token settles; empty if there is none.

    Attributes:
        thinking: What follows in the thinking.
        answer: What follows in the answer.
    """

    thinking: str
    answer: str


NOTHING = Piece("", "")


class ReasoningSplit(Protocol):
    """Turns one completion's token ids into its thinking and its answer.

    Attributes:
        is_thinking: Whether the thinking has begun and not ended.
    """

    @property
    def is_thinking(self) -> bool: ...

    def push(self, token_id: int) -> Piece:
        """What this token settles."""

    def flush(self) -> Piece:
        """What was held back, once no token follows."""


def reasoning_split(
    vocabulary: Vocabulary, thinking: Thinking | None, *, has_form: bool, shown: Mapping[str, str] | None = None
) -> ReasoningSplit:
    """A fresh split for one completion.

    White space around the thinking is left out. So is that before the answer, and that before a completion's own
    beginning of thinking. With a form both stay: the form says where the answer begins, and thinking begins at once.

    Args:
        vocabulary: Gives tokens their text.
        thinking: What to look for; None if all of it is the answer.
        has_form: Whether the engine keeps the answer to a form.
        shown: See `Vocabulary.detokenizer`.
    """

    def detokenizer() -> Detokenizer:
        return vocabulary.detokenizer(shown)

    if thinking is None:
        return _AnswerOnly(detokenizer())
    if thinking.end_token_id is None:
        return _TextSplit(detokenizer, thinking, has_form=has_form)
    return _TokenSplit(detokenizer, thinking, has_form=has_form)


class _Stage(enum.Enum):
    UNDECIDED = "the completion may still begin with its thinking"
    THINKING = "the thinking has begun"
    ANSWER = "the answer has begun, or follows at once"


class _AnswerOnly:
    is_thinking = False

    def __init__(self, detokenizer: Detokenizer) -> None:
        self._detokenizer = detokenizer

    def push(self, token_id: int) -> Piece:
        return Piece("", self._detokenizer.push([token_id]))

    def flush(self) -> Piece:
        return Piece("", self._detokenizer.flush())


class _Split:
    """What both ways to find the markers share."""

    def __init__(self, detokenizer: Callable[[], Detokenizer], thinking: Thinking, *, has_form: bool) -> None:
        self._new_detokenizer = detokenizer
        self._markers = thinking
        self._has_form = has_form
        self._detokenizer = detokenizer()
        self._stage = _Stage.THINKING if thinking.is_open else _Stage.UNDECIDED
        self._held = ""  # what may become a marker, or stands before one
        self._strip_thinking = _Stripper()
        self._strip_answer: Callable[[str], str] = str

    @property
    def is_thinking(self) -> bool:
        return self._stage is _Stage.THINKING

    def _rest(self, text: str) -> Piece:
        """The last text, with what was held back, where no marker can follow."""
        text = self._take_held() + text
        return Piece(self._strip_thinking(text), "") if self.is_thinking else Piece("", self._strip_answer(text))

    def _take_held(self) -> str:
        held, self._held = self._held, ""
        return held

    def _end_thinking(self) -> None:
        self._stage = _Stage.ANSWER
        if not self._has_form:
            self._strip_answer = _LeftStripper()


class _TokenSplit(_Split):
    def push(self, token_id: int) -> Piece:
        match self._stage:
            case _Stage.UNDECIDED:
                return self._begin(token_id)
            case _Stage.THINKING if token_id == self._markers.end_token_id:
                text = self._take_text()
                self._end_thinking()
                return Piece(self._strip_thinking(text), "")
            case _Stage.THINKING:
                return Piece(self._strip_thinking(self._detokenizer.push([token_id])), "")
            case _Stage.ANSWER:
                return Piece("", self._strip_answer(self._detokenizer.push([token_id])))

    def flush(self) -> Piece:
        return self._rest(self._detokenizer.flush())

    def _begin(self, token_id: int) -> Piece:
        if token_id == self._markers.begin_token_id:
            self._held += self._detokenizer.flush()
            if not self._held.strip():
                self._held = ""
                self._detokenizer = self._new_detokenizer()
                self._stage = _Stage.THINKING
                return NOTHING
        self._held += self._detokenizer.push([token_id])
        if not (self._has_form or self._held.strip()):
            return NOTHING
        self._stage = _Stage.ANSWER
        return Piece("", self._take_held())

    def _take_text(self) -> str:
        """The rest of a text that a marker ends; what follows is detokenized for itself."""
        text = self._detokenizer.flush()
        self._detokenizer = self._new_detokenizer()
        return text


class _TextSplit(_Split):
    def push(self, token_id: int) -> Piece:
        return self._read(self._detokenizer.push([token_id]))

    def flush(self) -> Piece:
        settled, rest = self._read(self._detokenizer.flush()), self._rest("")
        return Piece(settled.thinking + rest.thinking, settled.answer + rest.answer)

    def _read(self, text: str) -> Piece:
        if self._stage is _Stage.ANSWER:
            return Piece("", self._strip_answer(text))
        if not text:
            return NOTHING
        seen = self._take_held() + text
        return self._begin(seen) if self._stage is _Stage.UNDECIDED else self._think(seen)

    def _begin(self, seen: str) -> Piece:
        text = seen if self._has_form else seen.lstrip()
        begin = self._markers.begin
        if text.startswith(begin):
            self._stage = _Stage.THINKING
            return self._think(text[len(begin) :])
        if begin.startswith(text):
            self._held = seen
            return NOTHING
        self._stage = _Stage.ANSWER
        return Piece("", seen)

    def _think(self, seen: str) -> Piece:
        thought, end, answer = seen.partition(self._markers.end)
        if not end:
            num_held = _overlap(seen, self._markers.end)
            self._held = seen[len(seen) - num_held :]
            return Piece(self._strip_thinking(seen[: len(seen) - num_held]), "")
        self._end_thinking()
        return Piece(self._strip_thinking(thought), self._strip_answer(answer))


class _LeftStripper:
    """Leaves out the white space that a text in pieces begins with."""

    def __init__(self) -> None:
        self._has_begun = False

    def __call__(self, text: str) -> str:
        if not self._has_begun:
            text = text.lstrip()
            self._has_begun = bool(text)
        return text


class _Stripper:
    """Leaves out the white space around a text in pieces; what may be behind it is held back."""

    def __init__(self) -> None:
        self._strip_left = _LeftStripper()
        self._held = ""

    def __call__(self, text: str) -> str:
        text = self._strip_left(text)
        if text.isspace():  # or much of it would be looked at again with each piece
            self._held += text
            return ""
        seen = self._held + text
        stripped = seen.rstrip()
        self._held = seen[len(stripped) :]
        return stripped


def _overlap(text: str, marker: str) -> int:
    """How many characters at a text's end may be the beginning of a marker, which does not stand in it."""
    return next(number for number in range(min(len(marker) - 1, len(text)), -1, -1) if text.endswith(marker[:number]))
