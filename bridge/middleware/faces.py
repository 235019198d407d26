"""Finds the surface on which a request came in, and how that one writes its failures."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridge.errors import AiError, GatewayError
from bridge.openai import failures as openai
from bridge.workers_ai import envelope, events
from bridge.workers_ai.binding import ABSENT, RUN_PATHS


@dataclass(frozen=True)
class Face:
    """The way a surface writes failures.

    Attributes:
        ai_failure: The answer to a request that the AI layer refuses or fails; takes the request's id.
        gateway_failure: The answer of the layer before it.
        stream_failure: What ends a stream that fails after its first event; takes the request's id.
    """

    ai_failure: Callable[[AiError, str], web.Response]
    gateway_failure: Callable[[GatewayError], web.Response]
    stream_failure: Callable[[AiError, str], bytes]


NATIVE: Final = Face(envelope.ai_failure, envelope.gateway_failure, events.failure)
BINDING: Final = Face(envelope.binding_failure, envelope.binding_gateway_failure, events.failure)
OPENAI: Final = Face(openai.ai_failure, openai.gateway_failure, openai.stream_failure)
# Workers AI answers OpenAI's routes in its own envelope, but their streams are OpenAI's.
OPENAI_IN_ACCOUNT: Final = Face(envelope.ai_failure, envelope.gateway_failure, openai.stream_failure)

FACES: Final = (
    (re.compile(r"/v1(/.*)?", re.DOTALL), OPENAI),
    (re.compile(r"/client/v4/accounts/[^/]+/ai/v1(/.*)?", re.DOTALL), OPENAI_IN_ACCOUNT),
)


def face_of(path: str) -> Face:
    """The surface that a path belongs to, whether it leads anywhere or not."""
    if path in RUN_PATHS or path.endswith("/ai/run/proxy") or path.startswith(tuple(ABSENT)):
        return BINDING
    return next((face for pattern, face in FACES if pattern.fullmatch(path)), NATIVE)
