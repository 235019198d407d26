"""`POST /client/v4/accounts/{account_id}/ai/run/{model}`: from the request's bytes to the answer's."""

from functools import partial

from aiohttp import web

from bridge import sse
from bridge.account import identify
from bridge.asking import answer_streamed, ask_streamed, ask_whole, stand_in_headers
from bridge.body import read_body
from bridge.envelope import json_response, native_result, stand_in_messages, success
from bridge.errors import AiError
from bridge.keys import ACCESS, CONFIG
from bridge.translation import QUEUE_UNSUPPORTED, Question, parse_question


async def run(request: web.Request) -> web.StreamResponse:
    """Answers a run request, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    model = request[ACCESS].model = request.match_info["model"]
    identify(request)
    if request.query.get("queueRequest", "false") != "false":
        raise AiError("INVALID_REQUEST", QUEUE_UNSUPPORTED)
    question = await read_body(request, partial(parse_question, model))
    if question.is_streamed:
        return await answer_as_events(request, question)
    return await _answer_whole(request, question)


async def answer_as_events(request: web.Request, question: Question) -> web.StreamResponse:
    """Answers with native events; the request is identified.

    Raises:
        AiError: The service failed before the first part.
    """
    events = sse.Events(is_padded=request.app[CONFIG].pad_events)
    return await answer_streamed(request, question.request.model, ask_streamed(request, question.request), events)


async def _answer_whole(request: web.Request, question: Question) -> web.Response:
    asked = question.request.model
    answer = await ask_whole(request, question.request)
    result = native_result(answer, is_json_mode=question.request.HasField("response_format"))
    messages = stand_in_messages(asked, answer.served_model)
    return json_response(success(result, messages), headers=stand_in_headers(asked, answer.served_model))
