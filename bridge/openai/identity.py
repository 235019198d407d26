"""The identity of an answer."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    """An answer's id and time, as captures of Workers AI have them: the id is the time.

    Attributes:
        created_ms: When the answer began, in milliseconds since 1970.
    """

    created_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @property
    def id(self) -> str:
        """The id. What finds a request in the log is the header cf-ai-req-id."""
        return f"id-{self.created_ms}"

    @property
    def created(self) -> int:
        """The time at which the answer began, in seconds since 1970."""
        return self.created_ms // 1000
