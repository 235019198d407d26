"""The AI binding of Workers, as workerd speaks it and as wrangler up to 4.36 relays it.

`env.AI.run()` sends `POST /run?version=3`, or `/ai-gateway/run?version=3` if its options name a gateway
(src/cloudflare/internal/ai-api.ts of workerd). The model is in a header, and the inputs stand beside the options.
Answers are bare: no envelope around a result, and flat errors. @cloudflare/ai 1.1.0 sends `version=2` and wants whole
answers compressed; its `content-encoding: application/json` says nothing. There is no gateway here, so
`options.gateway` and the other options but `queueRequest` are accepted for compatibility and change nothing.
"""

import gzip
from typing import Any, Final

from aiohttp import web
from yarl import URL

from bridge.auth.account import identify
from bridge.errors import AiError, GatewayError
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, json_errors, read_body
from bridge.http.json_text import to_json
from bridge.upstream.generation import stand_in_headers
from bridge.upstream.models import unknown_model_first
from bridge.workers_ai.batch_answers import answer_batch
from bridge.workers_ai.batch_requests import NewBatch, Poll
from bridge.workers_ai.model_search import answer_search, search_models
from bridge.workers_ai.request import MAX_BATCH_BYTES, RunBody, check_room, parse_run_json, to_run_body
from bridge.workers_ai.shapes.shape import Shape, find_shape

HOST: Final = "workers-binding.ai"
RUN_PATHS: Final = ("/run", "/ai-gateway/run")
MODELS_PATH: Final = "/ai-api/models/search"
ABSENT: Final = {"/ai-gateway/": "gateway", "/autorag/": "autorag", "/to-everything/": "toMarkdown"}
"""The methods of a binding that are about other things than text generation, by what begins the paths they ask for."""

PREFIXES: Final = ("/run", "/ai-api/", *ABSENT)
"""What begins the paths of all that a binding may ask for, there or not."""

WHOLE_IS_COMPRESSED: Final = {"2": True, "3": False}


async def run(http_request: web.Request) -> web.StreamResponse:
    """Answers `env.AI.run()`.

    Raises:
        GatewayError: The request shows no token, or a wrong one, where one is needed.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    return await _run(http_request, http_request.query.get("version"))


async def relay(http_request: web.Request) -> web.StreamResponse:
    """Answers what wrangler relays for its local Workers: the address that the binding asked for is in `x-forwarded`.

    Raises:
        GatewayError: That address is none of the binding's, or the request may not act for the account.
        AiError: As for `run` and `search_models`.
    """
    identify(http_request)
    forwarded = _forwarded(http_request)
    if http_request.method == "POST" and forwarded.host == HOST and forwarded.path in RUN_PATHS:
        return await _run(http_request, forwarded.query.get("version"))
    if http_request.method == "GET" and forwarded.host == HOST and forwarded.path == MODELS_PATH:
        return await answer_search(http_request, forwarded.query)
    if forwarded.host == HOST and forwarded.path.startswith(tuple(ABSENT)):
        raise no_route(forwarded.path)
    raise GatewayError(400, 7000, f"No route for that URI: x-forwarded has to say https://{HOST}/run?version=3")


def no_route(path: str) -> GatewayError:
    """Says that a path leads nowhere, and of a binding's, which of its methods is not here."""
    method = next((method for prefix, method in ABSENT.items() if path.startswith(prefix)), None)
    told = f": env.AI.{method}() is not here, env.AI.run() and env.AI.models() are" if method else ""
    return GatewayError(400, 7000, f"No route for that URI{told}")


def add_routes(router: web.UrlDispatcher) -> None:
    """Adds the binding's routes; before those of the models, none of which is called "proxy"."""
    for path in RUN_PATHS:
        router.add_post(path, run)
    router.add_get(MODELS_PATH, search_models)
    for add in (router.add_get, router.add_post):
        add("/client/v4/accounts/{account_id:[^/]+}/ai/run/proxy", relay)


def _forwarded(http_request: web.Request) -> URL:
    """The address that is relayed to; empty if the header is none."""
    try:
        return URL(http_request.headers.get("x-forwarded", ""))
    except ValueError:
        return URL()


async def _run(http_request: web.Request, version: str | None) -> web.StreamResponse:
    if version not in WHOLE_IS_COMPRESSED:
        advice = "use env.AI without a package, or @cloudflare/ai 1.1.0 or newer, whose inputs are not tensors"
        raise AiError("SDK_DEPRECATED", f"Request trying to use deprecated SDK version: {advice}")
    model_id = http_request[ACCESS].model_id = _model_id(http_request)
    run_body = await _read(http_request, model_id)
    http_request[ACCESS].spelling = run_body.spelling
    if isinstance(run_body, NewBatch | Poll):
        result, served_model = await answer_batch(http_request, model_id, run_body)
    elif run_body.is_streamed:
        return await run_body.streamed(http_request)
    else:
        value, served_model = await run_body.whole(http_request)
        result = to_json(value)
    headers = {**stand_in_headers(model_id, served_model), "Content-Type": "application/json"}
    # The client of the compressed ones decompresses by itself, so no Content-Encoding may tell fetch to do it first.
    body = gzip.compress(result) if WHOLE_IS_COMPRESSED[version] else result
    return web.Response(body=body, headers=headers)


def _model_id(http_request: web.Request) -> str:
    """The model in the header; options.prefix of the binding stands before it with a colon."""
    header = http_request.headers.get("cf-consn-model-id", "")
    if not header:
        raise AiError("HEADER_MISSING", "Request is missing headers or body: cf-consn-model-id")
    prefix, _, model = header.partition(":@")
    return f"@{model}" if model else prefix


@unknown_model_first
async def _read(http_request: web.Request, model_id: str) -> RunBody:
    body = await read_body(http_request, MAX_BATCH_BYTES, ignored_encodings=("application/json",))
    check_room(http_request, model_id, body)
    shape, failure = await find_shape(http_request, model_id)
    run_body = await in_thread_if_long(len(body), parse_binding_body, model_id, body, shape)
    if failure:
        raise failure
    return run_body


@json_errors
def parse_binding_body(model_id: str, body: bytes, shape: Shape) -> RunBody:
    """Reads what the binding sends: `{"inputs": {…}, "options": {…}}`.

    Raises:
        AiError: It is not that, or the inputs are not what the schema allows.
    """
    value = parse_run_json(body)
    return to_run_body(model_id, _inputs_with_options(value), len(body), shape)


def _inputs_with_options(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), dict):
        raise AiError("INVALID_REQUEST", "required properties at '/' are 'inputs', an object")
    return {**value["inputs"], "options": value.get("options")}
