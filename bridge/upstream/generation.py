"""Generation by the service on behalf of an HTTP request: whole, or in parts that become events."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar
from urllib.parse import quote

from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import AiError
from bridge.http.access_log import ACCESS
from bridge.http.drain import DRAIN
from bridge.http.event_stream import EventStream
from bridge.upstream.balancing import SESSION_HEADER, session_of
from bridge.upstream.client import ACCOUNT_HEADER, SERVICE, Metadata
from bridge.upstream.finish_reasons import FINISH_REASONS
from bridge.upstream.forced_calls import check_forced_call, is_call_forced
from bridge.upstream.models import MODELS
from bridge.upstream.rate_limits import USED_UP
from bridge.upstream.room import ROOM

Item = TypeVar("Item")


async def generate(http_request: web.Request, request: pb.RunRequest) -> pb.RunResponse:
    """Has a whole answer generated, for the account that the HTTP request is identified for.

    Raises:
        AiError: The service refused or failed, or a call that was forced is cut.
    """
    async with http_request.app[DRAIN].running():
        room = http_request.app[ROOM].taken(http_request[ACCESS].account, request.model)
        with room, http_request.app[USED_UP].noted(http_request) as told:
            answer = await http_request.app[SERVICE].run(request, caller(http_request), told)
    http_request[ACCESS].served_model = answer.served_model
    _note_end(http_request, answer)
    check_forced_call(request, answer)
    return answer


async def generate_stream(
    http_request: web.Request, request: pb.RunRequest
) -> AsyncGenerator[pb.RunStreamResponse, None]:
    """Has an answer generated in parts; for `answer_streamed`.

    Raises:
        AiError: The service refused or failed, or a call that was forced is cut. Nothing of it is sent as text.
    """
    params = request.sampling_params
    if not params.HasField("max_tokens"):
        # Workers AI has a default of its own for streamed answers; the contract's is that of whole ones.
        model = await http_request.app[MODELS].get(request.model)
        params.max_tokens, params.max_tokens_is_default = model.default_max_tokens_streamed, True
    is_forced = is_call_forced(request)
    access = http_request[ACCESS]
    room = http_request.app[ROOM].taken(access.account, request.model)
    with room, http_request.app[USED_UP].noted(http_request) as told:
        async with aclosing(http_request.app[SERVICE].run_stream(request, caller(http_request), told)) as parts:
            async for part in parts:
                access.served_model = part.served_model
                if is_forced:
                    part.text = ""
                if part.finish_reason:
                    _note_end(http_request, part)
                    check_forced_call(request, part)
                yield part


def _note_end(http_request: web.Request, end: pb.RunResponse | pb.RunStreamResponse) -> None:
    """Notes what is known once a completion has ended; the choices of one request share their prompt."""
    access = http_request[ACCESS]
    access.prompt_tokens = end.usage.prompt_tokens
    access.cached_prompt_tokens = end.usage.cached_prompt_tokens
    access.completion_tokens += end.usage.completion_tokens
    access.finish_reasons.add(FINISH_REASONS[end.finish_reason])


async def answer_streamed(
    http_request: web.Request,
    model_id: str,
    items: AsyncGenerator[Item, None],
    events: Callable[[Item], bytes],
    has_ended: Callable[[], bool] = lambda: False,
) -> web.StreamResponse:
    """Answers with server-sent events.

    Args:
        http_request: The request, identified.
        model_id: The model that it asks for.
        items: What comes from the service, closed at the end.
        events: The bytes of whole events that an item makes, possibly none; the last ones end with `[DONE]`.
        has_ended: Whether `events` has made the last ones, where those do not end so.

    Raises:
        AiError: The service refused or failed, or the items ended before the last event.
    """
    async with http_request.app[DRAIN].running(), aclosing(items):
        model = await http_request.app[MODELS].get(model_id)
        async with EventStream(http_request, stand_in_headers(model_id, model.served_model)) as stream:
            async for item in items:
                await stream.write(events(item), is_last=has_ended())
    if not http_request[ACCESS].is_answered:
        raise AiError("INTERNAL", "the stream has no last part")
    return stream.response


def stand_in_headers(model_id: str, served_model: str) -> dict[str, str]:
    """Says in a header that another model than the one asked for answers."""
    return {} if served_model in ("", model_id) else {"x-runstream-model": served_model}


def caller(http_request: web.Request) -> Metadata:
    """The metadata that tells the service for whom it is asked; the request is identified."""
    access = http_request[ACCESS]
    told = {
        ACCOUNT_HEADER: access.account,
        "x-runstream-request-id": access.request_id,
        "x-runstream-token": quote(access.token, safe=""),  # a name may have any letters, metadata may not
        "x-runstream-limits": access.limits,
        SESSION_HEADER: session_of(http_request),
    }
    return tuple((name, value) for name, value in told.items() if value)
