"""Keeps web pages out that the owner has not let in.

A page in a browser on this machine can send requests to loopback, and with DNS rebinding even read the answers. It can
forge neither the Host header nor the Origin header, so both are checked before anything else.
"""

from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bridge.config import CONFIG
from bridge.errors import GatewayError
from bridge.http.addresses import host_name
from bridge.workers_ai import binding
from transport.addresses import is_loopback

# Orchestrators probe these by an address that nobody knows beforehand; they tell nothing that a page could want.
PROBES = frozenset({"/healthz", "/readyz"})

# What the official clients read, and who is to be told that a stand-in answers.
EXPOSED = ", ".join(
    ["cf-ai-req-id, x-request-id, x-runstream-model, x-should-retry, Retry-After"]
    + [f"x-ratelimit-{what}-{of}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset")]
)


# aiohttp's type of a middleware names its argument.
@web.middleware
async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers only for known hosts and origins, and answers the preflights of the latter."""
    if request.path not in PROBES and not _is_from_workerd(request):
        _check_host(request)
        _check_origin(request)
    if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        return _preflight(request)
    return await handler(request)


async def add_cors_headers(http_request: web.Request, response: web.StreamResponse) -> None:
    """Lets the page of an allowed origin read the response. A handler of app.on_response_prepare."""
    origin = http_request.headers.get(hdrs.ORIGIN)
    if origin in http_request.app[CONFIG].allowed_origins:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED
        response.headers[hdrs.VARY] = hdrs.ORIGIN


def _is_from_workerd(http_request: web.Request) -> bool:
    """Whether the AI binding of a local Worker asks: workerd names the host that it believes to speak to.

    No page can look like that. A page's Host header is the name in its address, and this one is Cloudflare's. DNS
    rebinding makes a page's own name lead here, so it does not give it. Even a page that forges Cloudflare's name
    sends an Origin, and a port after the name.
    """
    is_named = http_request.headers.get(hdrs.HOST) == binding.HOST and hdrs.ORIGIN not in http_request.headers
    return is_named and http_request.path.startswith(binding.PREFIXES)


def _check_host(http_request: web.Request) -> None:
    host = http_request.headers.get(hdrs.HOST, "")
    name = host_name(host)
    if not name:
        raise GatewayError(403, 10000, f"The Host header {host!r} names no host: send that of the address you ask")
    if not is_loopback(name) and name not in http_request.app[CONFIG].allowed_hosts:
        raise GatewayError(403, 10000, f"The Host header {host!r} is not allowed: start with --allowed-hosts {name}")


def _check_origin(http_request: web.Request) -> None:
    origin = http_request.headers.get(hdrs.ORIGIN)
    if origin is None or origin in http_request.app[CONFIG].allowed_origins or _is_same_origin(http_request, origin):
        return
    if not origin:
        raise GatewayError(403, 10000, "The Origin header is empty: send none, or where the page is from")
    raise GatewayError(403, 10000, f"The Origin {origin!r} is not allowed: start with --allowed-origins {origin}")


def _is_same_origin(http_request: web.Request, origin: str) -> bool:
    """Whether a page that the bridge served asks; the scheme may be that of a proxy before it."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == http_request.headers[hdrs.HOST].lower()


def _preflight(http_request: web.Request) -> web.Response:
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: http_request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, ""),
        hdrs.ACCESS_CONTROL_MAX_AGE: "600",
    }
    return web.Response(status=204, headers=headers)
