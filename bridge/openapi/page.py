"""`/openapi.json`, and `/docs`, which shows it with Swagger UI."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

from bridge.auth.tokens import GUARD
from bridge.errors import AiError
from bridge.http.json_text import json_response
from bridge.openapi.document import document
from bridge.upstream.client import SERVICE

PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Runstream</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true})
</script>
</body>
</html>
"""

# What the page needs of Swagger UI; nothing comes from another server.
ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}


def add_routes(app: web.Application) -> None:
    """Adds the document and the page."""
    app.router.add_get("/openapi.json", _openapi)
    app.router.add_get("/docs", _docs)
    app.router.add_get("/docs/{asset}", _asset)


async def _openapi(http_request: web.Request) -> web.Response:
    try:
        models = [model.id for model in await http_request.app[SERVICE].list_models()]
    except AiError:
        models = []
    return json_response(document(models, needs_token=http_request.app[GUARD].needs_token))


async def _docs(http_request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def _asset(http_request: web.Request) -> web.FileResponse:
    name = http_request.match_info["asset"]
    if name not in ASSETS:
        raise web.HTTPNotFound
    return web.FileResponse(_swagger_ui() / name, headers={"Content-Type": ASSETS[name]})


def _swagger_ui() -> Path:
    """The folder of Swagger UI in the package swagger-ui-py; importing it would load a template engine for nothing."""
    spec = find_spec("swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("static")
