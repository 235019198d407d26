"""Answers about a batch: that it is queued, that it is running, and its results."""

from collections.abc import Iterable
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from aiohttp import web
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.errors import RULES, AiError
from bridge.http.access_log import ACCESS
from bridge.http.drain import DRAIN
from bridge.http.json_text import to_json
from bridge.upstream.client import SERVICE
from bridge.upstream.field_paths import in_the_clients_words
from bridge.upstream.forced_calls import check_forced_call
from bridge.upstream.generation import caller
from bridge.upstream.rate_limits import USED_UP
from bridge.workers_ai.batch_requests import NewBatch, Poll
from bridge.workers_ai.envelope import usage
from bridge.workers_ai.shapes.shape import Shape, find_shape

STATUSES: Final = {
    batches_pb2.BATCH_STATE_QUEUED: "queued",
    batches_pb2.BATCH_STATE_RUNNING: "running",
}

_FORCED: Final = pb.RunRequest(tool_choice=pb.ToolChoice(mode=pb.TOOL_CHOICE_MODE_REQUIRED))


class BatchAnswer(NamedTuple):
    """The answer about a batch.

    Attributes:
        result: The result as JSON, bare.
        served_model: The model that has answered its requests; the one asked for as long as none is answered.
    """

    result: bytes
    served_model: str


async def answer_batch(http_request: web.Request, model_id: str, run_body: NewBatch | Poll) -> BatchAnswer:
    """Has a batch taken, or tells about one, for the account that the request is identified for.

    Raises:
        AiError: The service refuses the batch, there is none that the account may read, or it asks another model.
    """
    account = http_request[ACCESS].account
    async with http_request.app[DRAIN].running():
        if isinstance(run_body, NewBatch):
            new = batches_pb2.CreateBatchRequest(account=account, model=model_id, items=run_body.items)
            with http_request.app[USED_UP].noted(http_request) as told:
                batch = await http_request.app[SERVICE].create_batch(new, caller(http_request), told)
            return _unfinished(batch, "queued")
        sought = batches_pb2.GetBatchRequest(account=account, batch_id=run_body.request_id)
        batch = await http_request.app[SERVICE].get_batch(sought, caller(http_request))
        if batch.model != model_id:
            raise AiError("BATCH_NOT_FOUND", f"'/request_id' is that of a batch of {batch.model}, poll it there")
        if batch.state in STATUSES:
            return _unfinished(batch, STATUSES[batch.state])
        return await _results(http_request, batch)


def _unfinished(batch: batches_pb2.Batch, status: str) -> BatchAnswer:
    told = {"status": status, "request_id": batch.id, "model": batch.model}
    return BatchAnswer(to_json(told), batch.model)


async def _results(http_request: web.Request, batch: batches_pb2.Batch) -> BatchAnswer:
    sought = batches_pb2.StreamBatchResultsRequest(account=http_request[ACCESS].account, batch_id=batch.id)
    shape = (await find_shape(http_request, batch.model)).shape
    pages: list[bytes] = []
    total = pb.Usage()
    served_model = batch.model
    async with aclosing(http_request.app[SERVICE].batch_results(sought, batch.model, caller(http_request))) as received:
        async for page in received:
            # Page by page, so that nobody waits while all of a large batch is written.
            pages.append(to_json([to_response(batch.id, result, shape) for result in page.results])[1:-1])
            answered = [result.response for result in page.results if result.HasField("response")]
            _add(total, (response.usage for response in answered))
            served_model = answered[0].served_model if answered else served_model
    http_request[ACCESS].served_model = served_model
    return BatchAnswer(
        b'{"responses":[' + b",".join(pages) + b'],"usage":' + to_json(usage(total)) + b"}", served_model
    )


def to_response(batch_id: str, result: batches_pb2.BatchResult, shape: Shape) -> dict[str, Any]:
    """One entry of `responses`. One that failed has errors, as an envelope has, instead of its result."""
    told: dict[str, Any] = {"id": result.index}
    try:
        told |= {"result": _shaped(result, shape), "success": True}
    except AiError as error:
        # By this id the service's log knows the item.
        message = error.message(f"{batch_id}/{result.index}")
        told |= {"success": False, "errors": [{"code": error.rule.code, "message": message}]}
    reference = result.external_reference if result.HasField("external_reference") else None
    return {**told, "external_reference": reference}


def _shaped(result: batches_pb2.BatchResult, shape: Shape) -> dict[str, Any]:
    if result.HasField("failure"):
        reason = result.failure.reason if result.failure.reason in RULES else "INTERNAL"
        raise AiError(reason, in_the_clients_words(result.failure.message, ""))
    if result.is_call_forced:
        check_forced_call(_FORCED, result.response)
    return shape.result(result)


def _add(total: pb.Usage, counted: Iterable[pb.Usage]) -> None:
    for each in counted:
        total.prompt_tokens += each.prompt_tokens
        total.completion_tokens += each.completion_tokens
        total.cached_prompt_tokens += each.cached_prompt_tokens
        total.reasoning_tokens += each.reasoning_tokens
