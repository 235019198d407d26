"""When a request met its turns on the way through the engine, as the edge heard of them."""

from dataclasses import dataclass


@dataclass(slots=True)
class Moments:
    """Seconds of `time.perf_counter`; None for what has not come, or never did.

    Attributes:
        submitted_at: It was handed to an engine; if to several, to the first.
        started_at: The engine ran it for the first time. A grammar is compiled before, and counts as waiting.
        first_token_at: Its first token came: the prefill is done.
        ended_at: Its last token came, or what it failed with.
    """

    submitted_at: float | None = None
    started_at: float | None = None
    first_token_at: float | None = None
    ended_at: float | None = None
