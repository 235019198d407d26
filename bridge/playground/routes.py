"""The pages, the files that they are made of, and the data that they alone ask for."""

import functools
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from bridge.playground.models import tell_models
from bridge.playground.status import tell_status

STATIC: Final = Path(__file__).with_name("static")

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# A table of what there is, so that no name leads out of the folder.
FILES: Final = {
    path.relative_to(STATIC).as_posix(): path
    for path in STATIC.rglob("*")
    if path.suffix in CONTENT_TYPES and path.is_file()
}

# By path. They hold nothing, so they need no token; what they ask for does.
PAGES: Final = {"/": "index.html", "/status": "status/status.html"}

# Nothing inline, nothing evaluated, nothing from elsewhere: what a model says can't become code, nor call home.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Browsers ask each time whether a file has changed, by its ETag: a page and its modules are of one version.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}


def add_routes(router: web.UrlDispatcher) -> None:
    """Adds the pages, their data and their files."""
    for path, name in PAGES.items():
        router.add_get(path, _page(name))
    router.add_get("/playground/models", tell_models)
    router.add_get("/status/data", tell_status)
    router.add_get("/playground/{file:.+}", _file)


def _page(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(http_request: web.Request) -> web.Response:
        return _answer(http_request, name)

    return answer


async def _file(http_request: web.Request) -> web.Response:
    name = http_request.match_info["file"]
    if name not in FILES:
        raise web.HTTPNotFound
    return _answer(http_request, name)


def _answer(http_request: web.Request, name: str) -> web.Response:
    """A file, compressed for who takes that; for a browser that has it, only that it is still the same.

    Not by aiohttp's FileResponse: asked to compress, it sends a body with 304, and the connection is lost.
    """
    body, tag = _read(name)
    headers = {**HEADERS, hdrs.CONTENT_TYPE: CONTENT_TYPES[FILES[name].suffix]}
    if any(known.value in (tag, "*") for known in http_request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=body, headers=headers)
        response.enable_compression()
    response.etag = tag
    return response


@functools.cache
def _read(name: str) -> tuple[bytes, str]:
    body = FILES[name].read_bytes()
    return body, hashlib.sha256(body).hexdigest()
