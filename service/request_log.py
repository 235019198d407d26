"""One line of the log for each request: what is known of it, and nothing of its content."""

import logging
import time
from dataclasses import dataclass, field

from runstream.v1 import text_generation_pb2 as pb

from logs.line import Line

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestRecord:
    """What becomes known about a request while it is answered.

    Attributes:
        id: Its id.
        account, token: Whose it is, and the name of the token that says so; empty if that is not known.
        model: The model that it asks for.
        error: Why it has no answer, or not a whole one, as `RunstreamError.for_log` has it.
    """

    id: str
    account: str = ""
    token: str = ""
    model: str = ""
    error: str = ""
    _served_model: str = ""
    _usage: pb.Usage = field(default_factory=pb.Usage)
    _finish_reason: str = ""
    _started_at: float = field(default_factory=time.perf_counter)
    _first_token_at: float | None = None

    def note(self, part: pb.RunStreamResponse) -> pb.RunStreamResponse:
        """Takes what a part tells; the part."""
        if self._first_token_at is None:
            self._first_token_at = time.perf_counter()
            self._served_model = part.served_model
        if part.finish_reason:
            self._finish_reason = pb.FinishReason.Name(part.finish_reason).removeprefix("FINISH_REASON_").lower()
            self._usage = part.usage
        return part

    def log(self) -> None:
        """Writes the line."""
        first_at = self._first_token_at
        line = Line(
            "request",
            id=self.id,
            account=self.account,
            token=self.token,
            model=self.model,
            served_model=self._served_model,
            duration_s=time.perf_counter() - self._started_at,
            time_to_first_token_s=None if first_at is None else first_at - self._started_at,
            prompt_tokens=self._usage.prompt_tokens,
            cached_prompt_tokens=self._usage.cached_prompt_tokens,
            completion_tokens=self._usage.completion_tokens,
            finish_reason=self._finish_reason,
            error=self.error,
        )
        _log.info(line)
