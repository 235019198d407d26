"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: from the request's bytes to the answer's."""

import asyncio
import time
from contextlib import aclosing
from typing import Final

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge import sse
from bridge.auth import authorize, check_account
from bridge.envelope import json_response, native_result, stand_in_messages, success
from bridge.errors import AiError
from bridge.keys import ACCESS, DRAIN, METRICS, MODELS, SERVICE, STREAM, TOKENS
from bridge.service_client import Metadata
from bridge.translation import QUEUE_UNSUPPORTED, Question, parse_question

# Above this, reading a body takes longer than other streams should wait.
MAX_INLINE_BODY_BYTES: Final = 64 * 1024


async def run(request: web.Request) -> web.StreamResponse:
    """Answers a run request, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    account, model = request.match_info["account_id"], request.match_info["model"]
    access = request[ACCESS]
    access.account, access.model = account, model
    check_account(account, request.path)
    access.token = authorize(request.app[TOKENS], request.headers.get("Authorization"), account)
    if request.query.get("queueRequest", "false") != "false":
        raise AiError("INVALID_REQUEST", QUEUE_UNSUPPORTED)
    question = await _read_question(request, model)
    question.request.cache_salt = account  # nobody learns by timing what another account has asked
    caller: Metadata = (("x-runstream-account", account), ("x-runstream-request-id", access.request_id))
    if question.is_streamed:
        return await _answer_streamed(request, question.request, caller)
    return await _answer_whole(request, question.request, caller)


async def _read_question(request: web.Request, model: str) -> Question:
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise AiError("BODY_TOO_LARGE") from None
    except web.RequestPayloadError:
        raise AiError("INVALID_REQUEST", "the body is not in the encoding that the headers say") from None
    if len(body) > MAX_INLINE_BODY_BYTES:
        return await asyncio.to_thread(parse_question, model, body)
    return parse_question(model, body)


async def _answer_whole(request: web.Request, question: pb.RunRequest, caller: Metadata) -> web.Response:
    async with request.app[DRAIN].running():
        answer = await request.app[SERVICE].run(question, caller)
    request[ACCESS].served_model = answer.served_model
    result = native_result(answer, is_json_mode=question.HasField("response_format"))
    messages = stand_in_messages(question.model, answer.served_model)
    headers = _stand_in_headers(question.model, answer.served_model)
    return json_response(success(result, messages), headers=headers)


async def _answer_streamed(request: web.Request, question: pb.RunRequest, caller: Metadata) -> web.StreamResponse:
    app = request.app
    async with app[DRAIN].running():
        await _set_streamed_default(request, question)
        async with aclosing(app[SERVICE].run_stream(question, caller)) as parts:
            first = await anext(parts, None)
            if first is None:
                raise AiError("INTERNAL", "the stream has no part")
            stream = await _open_stream(request, question.model, first.served_model)
            with app[METRICS].open_stream():
                await _write_part(request, stream, first)
                app[METRICS].time_to_first_event.observe(time.perf_counter() - request[ACCESS].started_at)
                async for part in parts:
                    await _write_part(request, stream, part)
    if not request[ACCESS].is_answered:
        raise AiError("INTERNAL", "the stream has no last part")
    return stream


async def _set_streamed_default(request: web.Request, question: pb.RunRequest) -> None:
    """Workers AI has a default of its own for streamed answers; the contract's is that of whole ones."""
    params = question.sampling_params
    if not params.HasField("max_tokens"):
        model = await request.app[MODELS].get(question.model)
        params.max_tokens, params.max_tokens_is_default = model.default_max_tokens_streamed, True


async def _open_stream(request: web.Request, asked: str, served: str) -> web.StreamResponse:
    """Sends the headers, which ends the time in which a failure can still be told by the status."""
    request[ACCESS].served_model = served
    stream = web.StreamResponse(headers={**sse.HEADERS, **_stand_in_headers(asked, served)})
    await stream.prepare(request)
    request[STREAM] = stream
    return stream


async def _write_part(request: web.Request, stream: web.StreamResponse, part: pb.RunStreamResponse) -> None:
    await stream.write(sse.events(part))
    if part.finish_reason:
        request[ACCESS].is_answered = True


def _stand_in_headers(asked: str, served: str) -> dict[str, str]:
    return {} if asked == served else {"x-runstream-model": served}
