"""One log line and one set of measurements for each request."""

import logging
import time
import uuid
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bridge.spelling import Spelling
from logs.line import Line
from logs.writing import write_log

logger = logging.getLogger(__name__)


class ClientMistakes(logging.Filter):
    """Keeps tracebacks out of the log that aiohttp writes because a client sent bytes that are not HTTP."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be written."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def configure_logging(level: str, log_format: str) -> None:
    """Writes log lines to standard error."""
    write_log("bridge", level, log_format)
    logging.getLogger("aiohttp.server").addFilter(ClientMistakes())


@dataclass
class Access:
    """The facts about a request that become known while it is answered.

    Attributes:
        request_id: Its id: in error messages, in the header cf-ai-req-id, in the log and in the call of the service.
        started_at: When its headers were there, in seconds of time.perf_counter.
        account: The account in its path.
        token: The name of its token.
        limits: What the token may ask for, as the token file says it.
        rate_limits: What the service says of them: headers of the answer.
        model_id: The model that it asks for.
        served_model: The model that answers.
        reason: The reason of its error, one of few; empty if it has none.
        error: Why it has no answer, or not a whole one, without what the client wrote in its body.
        spelling: Where its body has what may be found fault with.
        time_to_first_event_s: From its headers to the first event of its stream; None if there is none.
        prompt_tokens, cached_prompt_tokens, completion_tokens: What the service counted, of all choices together; they
            share their prompt.
        finish_reasons: Why its completions ended.
        is_answered: Whether the last event of its stream is written. Clients leave as soon as they have that.
    """

    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: float = field(default_factory=time.perf_counter)
    account: str = ""
    token: str = ""
    limits: str = ""
    rate_limits: dict[str, str] = field(default_factory=dict)
    model_id: str = ""
    served_model: str = ""
    reason: str = ""
    error: str = ""
    spelling: Spelling = field(default_factory=dict)
    time_to_first_event_s: float | None = None
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reasons: set[str] = field(default_factory=set)
    is_answered: bool = False


def log(access: Access, http_request: web.Request, status: int, duration_s: float) -> None:
    """Writes the line: all that is known of the request, and nothing of its content."""
    line = Line(
        "request",
        id=access.request_id,
        method=http_request.method,
        path=http_request.path,
        status=status,
        duration_s=duration_s,
        time_to_first_event_s=access.time_to_first_event_s,
        account=access.account,
        token=access.token,
        model=access.model_id,
        served_model=access.served_model,
        prompt_tokens=access.prompt_tokens,
        cached_prompt_tokens=access.cached_prompt_tokens,
        completion_tokens=access.completion_tokens,
        finish_reason=",".join(sorted(access.finish_reasons)),
        error=access.error,
    )
    logger.info(line)


ACCESS = web.RequestKey("access", Access)
