"""What the commands ask, whichever way it is reached."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Question = Mapping[str, Any]
"""Keywords of `Client.run`: `prompt` or `messages`, and what goes with them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What an answer has grown by.

    Attributes:
        text: What follows in the text.
        finish_reason: Why it ended; empty in all pieces but the last.
        usage: The tokens, counted by name; only in the last piece.
        served_model: Who answers; empty where the service does not say.
        thinking: What follows in what the model thinks before its text.
    """

    text: str
    finish_reason: str = ""
    usage: Mapping[str, int] | None = None
    served_model: str = ""
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as `runstream models` lists it.

    Attributes:
        id: What requests name.
        state: Whether it can answer now, "ready" if so; "unknown" where the service does not say.
        context_window: The most tokens of prompt and completion together.
        served_model: Who answers for it; empty where the service does not say.
        description: What it is.
    """

    id: str
    state: str
    context_window: int
    served_model: str
    description: str


class Backend(Protocol):
    """A service, by gRPC or behind the bridge. All calls raise `RunstreamError`s, and end when their task does.

    Attributes:
        place: Its address, for messages.
    """

    place: str

    async def run(self, model: str, question: Question) -> Piece:
        """The whole answer as one piece."""

    def stream(self, model: str, question: Question) -> AsyncGenerator[Piece, None]:
        """The answer as it is generated. Close the iterator to end the generation."""

    async def models(self) -> list[ListedModel]:
        """All models, in the service's order."""

    async def close(self) -> None:
        """Ends the connection."""
