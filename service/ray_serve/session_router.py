"""Which replica gets a request: a session's own, else the less busy of two."""

import random
from typing import Any, Final

from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

SESSION_HEADER: Final = "x-session-affinity"


class SessionRouter(ConsistentHashRouter):  # type: ignore[misc]  # Ray's classes are not typed for others
    """Consistent hashing for requests whose metadata names a session, least request for all others."""

    async def choose_replicas(self, candidate_replicas: list[Any], pending_request: Any = None) -> list[list[Any]]:
        """The replicas to ask: each group in turn, and of a group the less busy one."""
        session = _session_of(pending_request)
        if not session:
            return [random.sample(candidate_replicas, min(2, len(candidate_replicas)))]
        pending_request.metadata.session_id = session
        ranked: list[list[Any]] = await super().choose_replicas(candidate_replicas, pending_request)
        return ranked


def _session_of(pending_request: Any) -> str:
    context = pending_request and pending_request.metadata.grpc_context
    sent = dict(context.invocation_metadata()) if context else {}
    return str(sent.get(SESSION_HEADER, ""))
