"""The span of a request that asks something: from its headers to the end of its answer."""

from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.http.access_log import ACCESS, Access
from bridge.http.event_stream import STREAM
from tracing.spans import Span, Tracing

TRACING = web.AppKey("tracing", Tracing)

# Values of error.type; all others are HTTP's statuses.
CLIENT_LEFT: Final = "CLIENT_LEFT"
STREAM_FAILED: Final = "STREAM_FAILED"


# aiohttp's type of a middleware names its argument.
@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Traces what is posted: what only looks, such as pages and health checks, is not worth it."""
    tracing = request.app[TRACING]
    if not tracing.is_on or request.method != hdrs.METH_POST:
        return await handler(request)
    resource = request.match_info.route.resource
    route = {"http.route": resource.canonical} if resource else {}
    asked = {"http.request.method": request.method, "url.scheme": request.scheme, "url.path": request.path, **route}
    name = f"{request.method} {resource.canonical}" if resource else request.method
    with tracing.serve(name, request.headers.items(), asked) as span:
        response = None
        try:
            response = await handler(request)
            return response
        finally:
            _describe(span, request[ACCESS])
            _tell_end(span, request, response)


def _describe(span: Span, access: Access) -> None:
    """Adds what became known of a request, by the conventions for generative models where they have a name for it."""
    span.set({"runstream.request.id": access.request_id, "runstream.account": access.account})
    if access.model_id:
        span.set({"gen_ai.request.model": access.model_id, "gen_ai.provider.name": "runstream"})
    if access.served_model:
        span.set({"gen_ai.response.model": access.served_model})
    if access.finish_reasons:
        counts = {
            "gen_ai.usage.input_tokens": access.prompt_tokens,
            "gen_ai.usage.output_tokens": access.completion_tokens,
        }
        span.set({"gen_ai.response.finish_reasons": sorted(access.finish_reasons), **counts})


def _tell_end(span: Span, http_request: web.Request, response: web.StreamResponse | None) -> None:
    """Adds how a request ended; a client may leave as soon as it has the last event."""
    access = http_request[ACCESS]
    if response is None and access.is_answered:
        response = http_request[STREAM]
    if response is None:
        span.fail(CLIENT_LEFT, access.error)
        return
    span.set({"http.response.status_code": response.status})
    if response.status >= web.HTTPInternalServerError.status_code:
        span.fail(str(response.status), access.error)
    elif response.status >= web.HTTPBadRequest.status_code:
        span.set({"error.type": str(response.status)})  # the client's own mistake, by the conventions no error of ours
    elif access.error:
        span.fail(STREAM_FAILED, access.error)
