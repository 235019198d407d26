"""`GET …/ai/models/search`, `…/ai/models/schema` and `…/ai/tasks/search`: what there is, and what it takes."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from runstream.v1 import models_pb2

from bridge.auth.account import identify
from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.http.json_text import json_response
from bridge.upstream.client import SERVICE
from bridge.upstream.models import MODELS
from bridge.workers_ai.envelope import success
from bridge.workers_ai.model_rows import TASK, is_found, to_openrouter_row, to_row
from bridge.workers_ai.model_schema import input_schema, output_schema
from bridge.workers_ai.shapes.shape import SHAPES, shape_of

MAX_PER_PAGE: Final = 1000
DEFAULT_PER_PAGE: Final = 100

# A number with more digits would be refused for its size anyway.
MAX_DIGITS: Final = 9

# What they leave out is said by `is_found`.
MARKS: Final = ("hide_experimental", "include_deprecated")


async def search_models(http_request: web.Request) -> web.Response:
    """Lists models, page by page. After the last page come empty ones: clients ask until they meet one.

    Models whose weights are missing, and for which none stands in, are left out: they can't be run. So are LoRA
    adapters, which Cloudflare lists elsewhere.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: A parameter is wrong, or the service can't say.
    """
    identify(http_request)
    return await answer_search(http_request, http_request.query)


async def answer_search(http_request: web.Request, query: Mapping[str, str]) -> web.Response:
    """Lists the models that a query asks for, to a request that is identified.

    Raises:
        AiError: A parameter is wrong, or the service can't say.
    """
    page = _integer(query, "page", default=1)
    per_page = _integer(query, "per_page", default=DEFAULT_PER_PAGE, most=MAX_PER_PAGE)
    _integer(query, "source", default=1)
    is_openrouter = _choice(query, "format", ("", "openrouter")) == "openrouter"
    for mark in MARKS:
        _choice(query, mark, ("", "true", "false"))
    filters = {name: value for name, value in query.items() if value}
    models = await http_request.app[SERVICE].list_models()
    missing = models_pb2.MODEL_STATE_WEIGHTS_MISSING
    here = [model for model in models if model.state != missing and not model.parent]
    found = [model for model in here if is_found(model, filters)]
    rows = found[(page - 1) * per_page : page * per_page]
    result_info = {"count": len(rows), "page": page, "per_page": per_page, "total_count": len(found)}
    if is_openrouter:
        return json_response({"data": [to_openrouter_row(model) for model in rows], "result_info": result_info})
    return json_response({**success([to_row(model) for model in rows], []), "result_info": result_info})


async def tell_schema(http_request: web.Request) -> web.Response:
    """Tells a model's input and output as JSON Schema.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: There is no such model, or the service can't say.
    """
    identify(http_request)
    model_id = http_request[ACCESS].model_id = http_request.query.get("model", "")
    if not model_id:
        raise AiError("INVALID_REQUEST", "required properties at '/' are 'model'")
    model = await http_request.app[MODELS].get(model_id)
    shape = shape_of(model, http_request.app[SHAPES])
    return json_response(success({"input": input_schema(model, shape), "output": output_schema(shape)}, []))


async def search_tasks(http_request: web.Request) -> web.Response:
    """Lists the one task that there is.

    Raises:
        GatewayError: The request may not act for the account.
    """
    identify(http_request)
    return json_response(success([TASK], []))


def add_routes(router: web.UrlDispatcher) -> None:
    """Adds the routes under an account."""
    ai = "/client/v4/accounts/{account_id:[^/]+}/ai"
    router.add_get(f"{ai}/models/search", search_models)
    router.add_get(f"{ai}/models/schema", tell_schema)
    router.add_get(f"{ai}/tasks/search", search_tasks)


def _integer(query: Mapping[str, str], name: str, default: int, most: int = 10**MAX_DIGITS) -> int:
    text = query.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit()):
        raise AiError("INVALID_REQUEST", f"Type mismatch of '/{name}', 'string' not in 'integer'")
    number = int(text.lstrip("0")[: MAX_DIGITS + 1] or "0")
    if number < 1:
        raise AiError("INVALID_REQUEST", f"'/{name}' must be >= 1")
    if number > most:
        raise AiError("INVALID_REQUEST", f"'/{name}' must be <= {most}")
    return number


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = query.get(name, "")
    if value not in choices:
        raise AiError("INVALID_REQUEST", f"'/{name}' must be one of {', '.join(filter(None, choices))}")
    return value
