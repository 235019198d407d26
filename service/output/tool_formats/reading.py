"""What readers of calls are made of: characters one by one, and a sink that calls go to as they are read."""

import uuid
from collections.abc import Callable, Collection, Generator, Set
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from service.output.tool_formats.special_tokens import SHOWN

# A reader gets a character at each `yield`. It has ended with the last one that it needs.
_T = TypeVar("_T")
Reading: TypeAlias = Generator[None, str, _T]
Emit: TypeAlias = Callable[[str], None]

SPACE = " \t\r\n"
SEPARATORS = SPACE + ";,"

MAX_CALLS = 128
MAX_ARGUMENTS_CHARACTERS = 1 << 20


class NotACallError(Exception):
    """What has been read can't become a call any more."""


@dataclass(slots=True)
class CallDelta:
    """What has been read of a call since the last time.

    Attributes:
        index: Which of the completion's calls it is, counted from 0.
        id: The call's id, which no other has; only in its first delta.
        name: The tool's name; only in the first delta.
        arguments_json: A piece of a JSON object.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


class CallSink:
    """Takes calls from a reader, a piece at a time.

    A call is held back until its first argument has a name, and is sent from there on. What a reader gives is at any
    time the beginning of one JSON object.

    Args:
        names: The tools' names.

    Attributes:
        names: As given.
        is_marked: Whether a marker stands before what is read.
        num_whole: How many calls have all their arguments.
        num_ends: How many ends have been read, of calls and of what is around them.
        is_candidate: Whether something that may be a call has begun and is not whole.
        is_sent: Whether a call has begun to be sent and is not whole.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)
        self.is_marked = False
        self.num_whole = 0
        self.num_ends = 0
        self.is_candidate = False
        self.is_sent = False
        self._name = ""
        self._pieces: list[str] = []
        self._num_characters = 0
        self._deltas: list[CallDelta] = []

    def begin(self) -> None:
        """Notes that what is read now may become a call."""
        self.is_candidate = True

    def open(self, name: str) -> None:
        """Begins a call.

        Raises:
            NotACallError: A completion may have no more calls.
        """
        if self.num_whole >= MAX_CALLS:
            raise NotACallError
        self._name, self._pieces, self._num_characters = name, [], 0

    def add(self, piece: str) -> None:
        """Takes the next piece of the call's arguments.

        Raises:
            NotACallError: They are longer than any may be.
        """
        self._num_characters += len(piece)
        if self._num_characters > MAX_ARGUMENTS_CHARACTERS:
            raise NotACallError
        self._pieces.append(piece)

    def send(self) -> None:
        """Lets the call go out: it stays one, whatever follows."""
        if not self.is_sent:
            self.is_sent = True
            self._deltas.append(CallDelta(self.num_whole, f"chatcmpl-tool-{uuid.uuid4().hex}", self._name))

    def close(self) -> None:
        """Ends the call, whose arguments are whole."""
        self.send()
        self._collect()
        self.num_whole += 1
        self.is_sent = self.is_candidate = False
        self.end()

    def end(self) -> None:
        """Notes that what has been read is no part of what follows."""
        self.num_ends += 1

    def discard(self) -> None:
        """Forgets what has been read and not sent."""
        self.is_candidate = False

    def take(self) -> list[CallDelta]:
        """What calls have grown by since the last time."""
        if self.is_sent:
            self._collect()
        deltas, self._deltas = self._deltas, []
        return deltas

    def _collect(self) -> None:
        """Puts the pieces that may go out into the last delta."""
        if not self._pieces:
            return
        if not self._deltas or self._deltas[-1].index != self.num_whole:
            self._deltas.append(CallDelta(self.num_whole))
        self._deltas[-1].arguments_json += "".join(self._pieces)
        self._pieces = []


def nothing(_: str) -> None:
    """Takes what nobody wants."""


def expect(expected: str, character: str) -> None:
    """Checks a character.

    Raises:
        NotACallError: It is another one.
    """
    if character != expected:
        raise NotACallError


def skip(skipped: str = SPACE, emit: Emit = nothing) -> Reading[str]:
    """The first character that is not skipped; those that are, are emitted."""
    while (character := (yield)) in skipped:
        emit(character)
    return character


def token(tokens: Collection[str], character: str) -> Reading[str]:
    """Reads one of some tokens that begins with a character: as the one that stands for it, or written out."""
    for expected in tokens:
        if character == SHOWN[expected]:
            return expected
    read = character
    while read not in tokens:
        if not any(expected.startswith(read) for expected in tokens):
            raise NotACallError
        read += yield
    return read


def word(words: Set[str]) -> Reading[str]:
    """Reads one of some words and the quotation mark behind it."""
    read = ""
    while (character := (yield)) != '"':
        read += character
        if not any(expected.startswith(read) for expected in words):
            raise NotACallError
    if read not in words:
        raise NotACallError
    return read
