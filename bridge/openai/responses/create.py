"""`POST …/responses`: from the request's bytes to the answer's."""

from aiohttp import web

from bridge.auth.account import identify
from bridge.http.access_log import ACCESS
from bridge.http.body import in_thread_if_long, read_body
from bridge.http.event_stream import STREAM_FAILURE
from bridge.http.json_text import json_response
from bridge.openai.responses.answer import ResponseAnswer
from bridge.openai.responses.request import ResponsesInput, parse_responses
from bridge.upstream.generation import answer_streamed, generate, generate_stream, stand_in_headers
from bridge.upstream.models import MODELS, unknown_model_first
from bridge.upstream.rate_limits import USED_UP


async def create_response(http_request: web.Request) -> web.StreamResponse:
    """Answers with a response, whole or streamed.

    Raises:
        GatewayError: The request may not act for the account.
        AiError: The request is wrong, or the service failed before the first part.
    """
    identify(http_request)
    http_request.app[USED_UP].check(http_request)
    responses_input = await _read(http_request)
    access, request = http_request[ACCESS], responses_input.request
    access.spelling = responses_input.spelling
    await fit(http_request, responses_input)
    answer = ResponseAnswer(responses_input, access.request_id)
    if responses_input.is_streamed:
        http_request[STREAM_FAILURE] = answer.failure
        parts = generate_stream(http_request, request)
        return await answer_streamed(http_request, request.model, parts, answer.events, lambda: answer.has_ended)
    completion = await generate(http_request, request)
    return json_response(answer.whole(completion), headers=stand_in_headers(request.model, completion.served_model))


@unknown_model_first
async def _read(http_request: web.Request) -> ResponsesInput:
    body = await read_body(http_request)
    return await in_thread_if_long(len(body), parse_responses, body, http_request[ACCESS])


async def fit(http_request: web.Request, responses_input: ResponsesInput) -> None:
    """Says how long the answer may be where the client does not, and how much of the prompt is kept.

    The model's default for streams holds for whole responses as well: to their clients, one that is cut has failed.

    Raises:
        AiError: The service can't say what the model takes.
    """
    request, params = responses_input.request, responses_input.request.sampling_params
    is_limited = params.HasField("max_tokens")
    if is_limited and not responses_input.is_truncated:
        return
    model = await http_request.app[MODELS].get(request.model)
    if not is_limited:
        params.max_tokens, params.max_tokens_is_default = model.default_max_tokens_streamed, True
    if responses_input.is_truncated:
        # A default gives way to the prompt, but not with all of the window.
        room = params.max_tokens if is_limited else min(params.max_tokens, model.context_window // 2)
        kept = max(1, min(model.max_prompt_tokens, model.context_window - room))
        wanted = request.truncate_prompt_tokens if request.HasField("truncate_prompt_tokens") else kept
        request.truncate_prompt_tokens = min(kept, wanted)
