"""Batches as tests of the service send them."""

import asyncio
from collections.abc import Sequence

from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import MODEL, Stubs

ACCOUNT = "acc"
PATIENCE_S = 120.0


def batch_of(
    requests: Sequence[pb.RunRequest], references: Sequence[str] = (), account: str = ACCOUNT, model: str = MODEL
) -> batches_pb2.CreateBatchRequest:
    """A batch of some requests, the first of them with references."""
    items = [batches_pb2.BatchItem(request=request) for request in requests]
    for item, reference in zip(items, references, strict=False):
        item.external_reference = reference
    return batches_pb2.CreateBatchRequest(account=account, model=model, items=items)


async def created(running: Stubs, request: batches_pb2.CreateBatchRequest) -> batches_pb2.Batch:
    """The batch that a service makes of a request."""
    return (await running.batches.CreateBatch(request)).batch


async def batch_now(running: Stubs, batch_id: str, account: str = ACCOUNT) -> batches_pb2.Batch:
    """How far a batch is."""
    return (await running.batches.GetBatch(batches_pb2.GetBatchRequest(account=account, batch_id=batch_id))).batch


async def done(running: Stubs, batch_id: str) -> batches_pb2.Batch:
    """Waits until every item has its result."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            batch = await batch_now(running, batch_id)
            if batch.state == batches_pb2.BATCH_STATE_DONE:
                return batch


async def cancelled(running: Stubs, batch_id: str) -> batches_pb2.Batch:
    """Cancels a batch; how it is then."""
    request = batches_pb2.CancelBatchRequest(account=ACCOUNT, batch_id=batch_id)
    return (await running.batches.CancelBatch(request)).batch


async def results_of(running: Stubs, batch_id: str) -> list[batches_pb2.BatchResult]:
    """The results that a batch has."""
    call = running.batches.StreamBatchResults(batches_pb2.StreamBatchResultsRequest(account=ACCOUNT, batch_id=batch_id))
    return [result async for page in call for result in page.results]
