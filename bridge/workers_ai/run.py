"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: from the request's bytes to the answer's."""

from typing import Any

from aiohttp import web

from bridge.auth.account import identify
from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, read_body
from bridge.http.json_text import json_response
from bridge.upstream.generation import stand_in_headers
from bridge.upstream.models import MODELS, unknown_model_first
from bridge.workers_ai.batch_answers import answer_batch
from bridge.workers_ai.batch_requests import NewBatch, Poll
from bridge.workers_ai.envelope import retirement_messages, stand_in_messages, success, success_around
from bridge.workers_ai.request import MAX_BATCH_BYTES, RunBody, check_room, parse_run_body
from bridge.workers_ai.shapes.shape import ShapedInput, find_shape


async def run(http_request: web.Request) -> web.StreamResponse:
    """Answers a run request, whole, streamed or as a batch.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    model_id = http_request[ACCESS].model_id = http_request.match_info["model"]
    identify(http_request)
    run_body = await _read(http_request, model_id)
    http_request[ACCESS].spelling = run_body.spelling
    if isinstance(run_body, NewBatch | Poll):
        return await _answer_batch(http_request, model_id, run_body)
    if run_body.is_streamed:
        return await run_body.streamed(http_request)
    return await _answer_whole(http_request, run_body)


@unknown_model_first
async def _read(http_request: web.Request, model_id: str) -> RunBody:
    is_queued = http_request.query.get("queueRequest", "false") != "false"
    if not is_queued:
        check_room(http_request, model_id)
    body = await read_body(http_request, MAX_BATCH_BYTES)
    if not is_queued:
        check_room(http_request, model_id, body)
    shape, failure = await find_shape(http_request, model_id)
    run_body = await in_thread_if_long(len(body), parse_run_body, model_id, body, shape, is_queued=is_queued)
    if failure:
        raise failure
    return run_body


async def _answer_whole(http_request: web.Request, shaped_input: ShapedInput) -> web.Response:
    model_id = shaped_input.request.model
    result, served_model = await shaped_input.whole(http_request)
    messages = await _messages(http_request, model_id, served_model)
    return json_response(success(result, messages), headers=stand_in_headers(model_id, served_model))


async def _messages(http_request: web.Request, model_id: str, served_model: str) -> list[dict[str, Any]]:
    """Notes about the model that has answered, or about the one that was asked."""
    try:
        model = await http_request.app[MODELS].get(model_id)
    except AiError:  # the answer is there, whatever has become of the service since then
        return stand_in_messages(model_id, served_model)
    return stand_in_messages(model.replaced_by or model_id, served_model) + retirement_messages(model)


async def _answer_batch(http_request: web.Request, model_id: str, batch: NewBatch | Poll) -> web.Response:
    result, served_model = await answer_batch(http_request, model_id, batch)
    body = success_around(result, await _messages(http_request, model_id, served_model))
    headers = {**stand_in_headers(model_id, served_model), "Content-Type": "application/json"}
    return web.Response(body=body, headers=headers)
