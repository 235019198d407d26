"""The handlers of batches."""

import contextlib
from collections.abc import AsyncIterator

from runstream.v1 import batches_pb2 as pb
from runstream.v1 import batches_pb2_grpc as pb_grpc

from service.batches.batches import Batches
from service.metrics import Metrics
from service.rpc.auth import Caller, Callers
from service.rpc.calls import Calls, ServicerContext
from service.rpc.request_id import request_id_of, tell_request_id
from service.rpc.status import error_status

_OfAccount = (
    pb.CreateBatchRequest
    | pb.GetBatchRequest
    | pb.StreamBatchResultsRequest
    | pb.ListBatchesRequest
    | pb.CancelBatchRequest
    | pb.DeleteBatchRequest
)


class BatchServicer(pb_grpc.BatchServiceServicer):
    """Takes batches and tells what became of them."""

    def __init__(self, batches: Batches, calls: Calls, callers: Callers, metrics: Metrics) -> None:
        self._batches = batches
        self._calls = calls
        self._callers = callers
        self._metrics = metrics

    async def CreateBatch(  # noqa: N802
        self, request: pb.CreateBatchRequest, context: ServicerContext
    ) -> pb.CreateBatchResponse:
        """Takes a batch."""
        async with self._admitted(request, context) as (request_id, caller):
            use = self._callers.limits.count(caller.key, caller.limits)
            batch = await self._batches.create(request)
            self._callers.limits.note_batch(batch.id, use)
            await tell_request_id(context, request_id, *use.told())
            return pb.CreateBatchResponse(batch=batch)

    async def GetBatch(self, request: pb.GetBatchRequest, context: ServicerContext) -> pb.GetBatchResponse:  # noqa: N802
        """Tells about a batch."""
        async with self._answering(request, context):
            return pb.GetBatchResponse(batch=await self._batches.get(request.account, request.batch_id))

    # A coroutine that writes, for the same reason as RunStream.
    async def StreamBatchResults(  # type: ignore[override]  # noqa: N802
        self, request: pb.StreamBatchResultsRequest, context: ServicerContext
    ) -> None:
        """Answers with the results that a batch has."""
        async with (
            self._admitted(request, context) as (request_id, _),
            contextlib.aclosing(self._batches.results(request.account, request.batch_id)) as pages,
        ):
            await tell_request_id(context, request_id)
            async for page in pages:
                await context.write(pb.StreamBatchResultsResponse(results=page))

    async def ListBatches(  # noqa: N802
        self, request: pb.ListBatchesRequest, context: ServicerContext
    ) -> pb.ListBatchesResponse:
        """Lists an account's batches."""
        async with self._answering(request, context):
            batches, next_token = await self._batches.page(request.account, request.page_size, request.page_token)
            return pb.ListBatchesResponse(batches=batches, next_page_token=next_token)

    async def CancelBatch(  # noqa: N802
        self, request: pb.CancelBatchRequest, context: ServicerContext
    ) -> pb.CancelBatchResponse:
        """Ends what is left of a batch."""
        async with self._answering(request, context):
            return pb.CancelBatchResponse(batch=await self._batches.cancel(request.account, request.batch_id))

    async def DeleteBatch(  # noqa: N802
        self, request: pb.DeleteBatchRequest, context: ServicerContext
    ) -> pb.DeleteBatchResponse:
        """Forgets a batch."""
        async with self._answering(request, context):
            await self._batches.delete(request.account, request.batch_id)
            return pb.DeleteBatchResponse()

    @contextlib.asynccontextmanager
    async def _answering(self, request: _OfAccount, context: ServicerContext) -> AsyncIterator[None]:
        async with self._admitted(request, context) as (request_id, _):
            yield
            await tell_request_id(context, request_id)

    @contextlib.asynccontextmanager
    async def _admitted(self, request: _OfAccount, context: ServicerContext) -> AsyncIterator[tuple[str, Caller]]:
        """Holds a call while it is answered, and gives its id and who makes it, whose account an empty one is."""
        request_id = request_id_of(context)
        async with error_status(context, request_id, self._metrics.count_failure):
            caller = self._callers.identify(context)
            request.account = caller.account_of(request.account)
            async with self._calls.admit(context):
                yield request_id, caller
