"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: from the request's bytes to the answer's."""

from aiohttp import web

from bridge.auth.account import identify
from bridge.config import CONFIG
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, read_body
from bridge.http.json_text import json_response
from bridge.upstream.generation import answer_streamed, generate, generate_stream, stand_in_headers
from bridge.upstream.models import unknown_model_first
from bridge.workers_ai.batch_answers import answer_batch
from bridge.workers_ai.batch_requests import NewBatch, Poll
from bridge.workers_ai.envelope import native_result, stand_in_messages, success, success_around
from bridge.workers_ai.events import Events
from bridge.workers_ai.request import MAX_BATCH_BYTES, RunBody, check_room, parse_run_body
from bridge.workers_ai.translation import RunInput, is_json


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
    if not isinstance(run_body, RunInput):
        return await _answer_batch(http_request, model_id, run_body)
    if run_body.is_streamed:
        return await answer_as_events(http_request, run_body)
    return await _answer_whole(http_request, run_body)


@unknown_model_first
async def _read(http_request: web.Request, model_id: str) -> RunBody:
    is_queued = http_request.query.get("queueRequest", "false") != "false"
    if not is_queued:
        check_room(http_request, model_id)
    body = await read_body(http_request, MAX_BATCH_BYTES)
    if not is_queued:
        check_room(http_request, model_id, body)
    return await in_thread_if_long(len(body), parse_run_body, model_id, body, is_queued=is_queued)


async def answer_as_events(http_request: web.Request, run_input: RunInput) -> web.StreamResponse:
    """Answers with native events; the request is identified.

    Raises:
        AiError: The service failed before the first part.
    """
    events = Events(is_padded=http_request.app[CONFIG].pad_events)
    return await answer_streamed(
        http_request, run_input.request.model, generate_stream(http_request, run_input.request), events
    )


async def _answer_whole(http_request: web.Request, run_input: RunInput) -> web.Response:
    model_id = run_input.request.model
    answer = await generate(http_request, run_input.request)
    result = native_result(answer, is_json_mode=is_json(run_input.request))
    messages = stand_in_messages(model_id, answer.served_model)
    return json_response(success(result, messages), headers=stand_in_headers(model_id, answer.served_model))


async def _answer_batch(http_request: web.Request, model_id: str, batch: NewBatch | Poll) -> web.Response:
    result, served_model = await answer_batch(http_request, model_id, batch)
    body = success_around(result, stand_in_messages(model_id, served_model))
    headers = {**stand_in_headers(model_id, served_model), "Content-Type": "application/json"}
    return web.Response(body=body, headers=headers)
