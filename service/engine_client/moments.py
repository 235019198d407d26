"""When a request met its turns on the way through the engine, as the edge heard of them."""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Moments:
    """Seconds of `time.perf_counter`; None for what has not come, or never did.

    Attributes:
        submitted_at: It was handed to an engine; if to several, to the first.
        started_at: The engine ran it for the first time. A grammar is compiled before, and counts as waiting.
        first_token_at: Its first token came: the prefill is done.
        last_token_at: Its newest token came.
        ended_at: Its last token came, or what it failed with.
    """

    submitted_at: float | None = None
    started_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None
    ended_at: float | None = None

    def note_token(self, *, is_last: bool) -> None:
        """Notes that a token has come."""
        self.last_token_at = now = time.perf_counter()
        if self.first_token_at is None:
            self.first_token_at = now
        if is_last:
            self.ended_at = now
