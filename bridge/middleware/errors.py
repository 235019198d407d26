"""Surrounds every handler: measures and logs it, and turns what it raises into an answer."""

import contextlib
import logging
import time
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.errors import AiError, GatewayError
from bridge.http.access_log import ACCESS, Access, log
from bridge.http.event_stream import STREAM, STREAM_FAILURE
from bridge.http.metrics import METRICS
from bridge.http.recent_requests import RECENT_REQUESTS
from bridge.http.timed_connection import PRODUCT
from bridge.http.turns import LARGE, TURN, Turn
from bridge.middleware.faces import OPENAI, OPENAI_IN_ACCOUNT, Face, face_of
from bridge.workers_ai.binding import no_route
from logs.clipping import clipped

logger = logging.getLogger(__name__)

# What nginx logs for a client that left before its answer was there; it is never sent.
CLIENT_LEFT: Final = 499
CANCELLED: Final = "CANCELLED"


# aiohttp's type of a middleware names its argument.
@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id, measures it and logs it, however it ends."""
    access = request[ACCESS] = Access()
    status = CLIENT_LEFT
    try:
        response = await handler(request)
        status = response.status
        return response
    finally:
        if access.is_answered:
            status = request[STREAM].status
        _record(request, access, status)


def _record(http_request: web.Request, access: Access, status: int) -> None:
    duration_s = time.perf_counter() - access.started_at
    resource = http_request.match_info.route.resource
    route = resource.canonical if resource else "none"
    metrics = http_request.app[METRICS]
    metrics.requests.labels(route, status).inc()
    if reason := CANCELLED if status == CLIENT_LEFT else access.reason:
        metrics.failures.labels(reason).inc()
    metrics.request_duration.labels(route).observe(duration_s)
    if http_request.method == hdrs.METH_POST:  # what only looks, such as pages and health checks, would push these out
        http_request.app[RECENT_REQUESTS].add(access, route, status, duration_s)
    log(access, http_request, status, duration_s)


async def name_server(_http_request: web.Request, response: web.StreamResponse) -> None:
    """Tells no versions of what the bridge is made of. A handler of app.on_response_prepare."""
    response.headers[hdrs.SERVER] = PRODUCT


async def add_request_id(http_request: web.Request, response: web.StreamResponse) -> None:
    """Tells the request's id, and the limits of its token. A handler of app.on_response_prepare."""
    if ACCESS in http_request:
        response.headers.update(http_request[ACCESS].rate_limits)
        response.headers["cf-ai-req-id"] = http_request[ACCESS].request_id
        if face_of(http_request.path) in (OPENAI, OPENAI_IN_ACCOUNT):
            response.headers["x-request-id"] = http_request[ACCESS].request_id


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into an answer, or into the end of the stream that it has begun."""
    face = face_of(request.path)
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        message = f"{request.method} not supported for requested URI."
        return _refuse(request, face, GatewayError(405, 7001, message, {hdrs.ALLOW: error.headers[hdrs.ALLOW]}))
    except web.HTTPNotFound:
        return _refuse(request, face, no_route(request.path))
    except GatewayError as error:
        return _refuse(request, face, error)
    except AiError as error:
        return await _fail(request, face, error)
    except ConnectionResetError:
        # The client left while it was written to, just before aiohttp would have cancelled the handler.
        if STREAM not in request:
            raise
        return request[STREAM]
    except Exception:
        logger.exception("%s %r", request[ACCESS].request_id, clipped(request.path))
        return await _fail(request, face, AiError("INTERNAL"))


@web.middleware
async def take_turns(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request a turn, for whoever reads its body to wait for."""
    turn = request[TURN] = Turn(request.app[LARGE])
    try:
        return await handler(request)
    finally:
        turn.end()


def _refuse(http_request: web.Request, face: Face, error: GatewayError) -> web.StreamResponse:
    http_request[ACCESS].reason, http_request[ACCESS].error = HTTPStatus(error.status).name, error.message
    return face.gateway_failure(error)


async def _fail(http_request: web.Request, face: Face, error: AiError) -> web.StreamResponse:
    if http_request[ACCESS].is_answered:
        # What fails behind the last event, as the wait for the end of the service's call, fails for nobody.
        return http_request[STREAM]
    request_id = http_request[ACCESS].request_id
    error = error.respelled(http_request[ACCESS].spelling)
    http_request[ACCESS].reason, http_request[ACCESS].error = error.reason, error.for_log
    if STREAM not in http_request:
        response = face.ai_failure(error, request_id)
        if http_request.content.exception() or error.reason == "BODY_TOO_SLOW":
            # Where a body that can't be read ends, and the next request begins, nobody knows.
            response.force_close()
        return response
    stream = http_request[STREAM]
    http_request.app[METRICS].stream_errors.labels(error.rule.code).inc()
    with contextlib.suppress(ConnectionResetError):
        await stream.write(http_request.get(STREAM_FAILURE, face.stream_failure)(error, request_id))
    return stream
