"""The last requests that asked for something, without what they asked and what they were answered."""

import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridge.http.access_log import Access
from logs.clipping import clipped

MAX_REQUESTS: Final = 100


@dataclass(frozen=True, slots=True)
class RecentRequest:
    """A request that has ended, as it is kept; what its client chose is cut as in the log.

    Attributes:
        ended_at: When it ended, in seconds since 1970.
        id: Its id, as in the header cf-ai-req-id and in the log.
        account: The account that it named, or that its token is for; empty if neither is known.
        route: The pattern of its path, "none" if nobody serves that.
        model: The model that it asked for.
        served_model: The model that answered.
        status: The HTTP status; 499 if its client left.
        duration_s: From its headers to the end of its answer.
        prompt_tokens, completion_tokens: What the service counted; 0 if there was no whole answer.
        finish_reason: Why its completions ended; empty if none did.
        error: Why it has no answer, or not a whole one.
    """

    ended_at: float
    id: str
    account: str
    route: str
    model: str
    served_model: str
    status: int
    duration_s: float
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    error: str


class RecentRequests:
    """The newest requests, those before them forgotten."""

    def __init__(self, max_requests: int = MAX_REQUESTS) -> None:
        self._requests: deque[RecentRequest] = deque(maxlen=max_requests)

    def add(self, access: Access, route: str, status: int, duration_s: float) -> None:
        """Takes a request that has ended."""
        self._requests.appendleft(
            RecentRequest(
                ended_at=time.time(),
                id=access.request_id,
                account=clipped(access.account),
                route=route,
                model=clipped(access.model_id),
                served_model=clipped(access.served_model),
                status=status,
                duration_s=duration_s,
                prompt_tokens=access.prompt_tokens,
                completion_tokens=access.completion_tokens,
                finish_reason=", ".join(sorted(access.finish_reasons)),
                error=clipped(access.error),
            )
        )

    @classmethod
    def holding(cls, requests: Iterable[RecentRequest]) -> "RecentRequests":
        """Those that others have taken, oldest first."""
        made = cls()
        made._requests.extendleft(requests)
        return made

    def of(self, accounts: Collection[str] | None) -> list[RecentRequest]:
        """The requests of some accounts, newest first; None means of all."""
        if accounts is None:
            return list(self._requests)
        shown = {clipped(account) for account in accounts}
        return [request for request in self._requests if request.account in shown]


RECENT_REQUESTS = web.AppKey("recent_requests", RecentRequests)
