"""What a trace tells of a completion: what was asked, what came of it, and its stages in the engine."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from runstream.v1 import text_generation_pb2 as pb

from service.engine_client.moments import Moments
from service.engine_protocol.messages import Submit
from service.errors import RunstreamError
from tracing.spans import Span

CANCELLED: Final = "CANCELLED"
INTERNAL: Final = "INTERNAL"


def tell_request(span: Span, request_id: str, named: str, served: str, submit: Submit) -> None:
    """Tells what is asked, by the conventions for generative models where they have a name for it.

    Args:
        span: The call's.
        request_id: The request's id.
        named: The model that it names.
        served: The model that answers.
        submit: What the engine is told.
    """
    span.set(
        {
            "gen_ai.provider.name": "runstream",
            "gen_ai.request.model": named,
            "gen_ai.response.model": served,
            "gen_ai.request.max_tokens": submit.params.max_tokens,
            "gen_ai.request.temperature": submit.params.temperature,
            "gen_ai.usage.input_tokens": len(submit.prompt_token_ids),
            "runstream.request.id": request_id,
        }
    )


def tell_end(span: Span, last: pb.RunStreamResponse) -> None:
    """Tells why a completion ended and how many tokens it took, as its last part says."""
    reason = pb.FinishReason.Name(last.finish_reason).removeprefix("FINISH_REASON_").lower()
    span.set(
        {
            "gen_ai.response.finish_reasons": [reason],
            "gen_ai.usage.output_tokens": last.usage.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": last.usage.cached_prompt_tokens,
        }
    )


@contextlib.asynccontextmanager
async def told_stages(span: Span, moments: Moments) -> AsyncIterator[None]:
    """Adds queue, prefill and decode once a completion is over, as far as it came; a failure is of the last of them."""
    failure = INTERNAL
    try:
        yield
        failure = ""
    except RunstreamError as error:
        failure = error.reason
        raise
    except (asyncio.CancelledError, GeneratorExit):
        failure = CANCELLED
        raise
    finally:
        _add_stages(span, moments, failure)


def _add_stages(span: Span, moments: Moments, failure: str) -> None:
    ended_at = time.perf_counter() if moments.ended_at is None else moments.ended_at
    begins = {"queue": moments.submitted_at, "prefill": moments.started_at, "decode": moments.first_token_at}
    begun = [(name, at) for name, at in begins.items() if at is not None]
    for number, (name, began_at) in enumerate(begun, 1):
        if number < len(begun):
            span.add(name, began_at, begun[number][1])
        else:
            span.add(name, began_at, ended_at, failure)
