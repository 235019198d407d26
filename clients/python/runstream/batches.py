"""The batches of a service: many requests that are answered some time, behind those that somebody waits for."""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from runstream.batch import Batch, BatchItemLike, BatchResult, make_items, to_batch, to_batch_result
from runstream.calls import AsyncResponses, CallSettings, Responses, call, call_async
from runstream.errors import DeadlineExceededError
from runstream.fields import filled
from runstream.seconds import check_seconds
from runstream.v1 import batches_pb2 as pb
from runstream.v1 import batches_pb2_grpc as pb_grpc

POLL_S: Final = 1.0

Progress = Callable[[Batch], object]


def _create_request(model: str, items: Iterable[BatchItemLike], request_id: str | None) -> pb.CreateBatchRequest:
    # With an id of its own the request can be sent again where the connection broke.
    made_id = str(uuid.uuid4()) if request_id in (None, "") else request_id
    request = filled(pb.CreateBatchRequest(), model=model, request_id=made_id)
    request.items.extend(make_items(items))
    return request


class _Limit:
    """The end of a wait for a batch.

    Args:
        timeout_s: In how many seconds it is; None for never.
    """

    def __init__(self, batch_id: str, timeout_s: float | None) -> None:
        check_seconds(timeout_s, "timeout_s", may_be_zero=True)
        self._batch_id = batch_id
        self._ends_at = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._seen: Batch | None = None

    def left_s(self) -> float:
        """The seconds until then, not below 0."""
        return max(0.0, self._ends_at - time.monotonic())

    @contextmanager
    def look(self, settings: CallSettings) -> Iterator[CallSettings]:
        """Settings of a look that ends with the wait. One at the end, of a wait of no time, is as any other.

        Raises:
            DeadlineExceededError: The wait, or another limit of the look, is over.
        """
        left_s = self.left_s()
        is_last = 0 < left_s < (math.inf if settings.timeout_s is None else settings.timeout_s)
        try:
            yield settings.changed(left_s) if is_last else settings
        except DeadlineExceededError as error:
            if is_last:
                raise self._error() from error
            raise

    def check(self, batch: Batch) -> None:
        """Raises DeadlineExceededError once it is over.

        Args:
            batch: How far it was at the last look.
        """
        self._seen = batch
        if not self.left_s():
            raise self._error()

    def _error(self) -> DeadlineExceededError:
        seen = self._seen
        progress = f"has {seen.num_ended} of {seen.num_items} results" if seen else "has not been seen in that time"
        return DeadlineExceededError(f"batch {self._batch_id} {progress}, and goes on: wait longer")


class Batches:
    """`client.batches`, those of the client's account. All calls raise `RunstreamError`s."""

    def __init__(self, stub: pb_grpc.BatchServiceStub, settings: CallSettings) -> None:
        self._stub = stub
        self._settings = settings

    def create(self, model: str, items: Iterable[BatchItemLike], *, request_id: str | None = None) -> Batch:
        """Has a batch taken, as a whole or not at all.

        Args:
            model: The model that answers all items.
            items: Prompts, or `run`'s keywords as dicts with `external_reference` besides: 1 to 10,000, of at most
                16 MiB together.
            request_id: A UUID that makes it safe to ask again, also from another process; None for a fresh one.

        Raises:
            MessageTooLargeError: The items have more than 16 MiB.
        """
        request = _create_request(model, items, request_id)
        return to_batch(call(self._stub.CreateBatch, request, self._settings).batch)

    def get(self, batch_id: str) -> Batch:
        """Tells how far a batch is."""
        return self._get(batch_id, self._settings)

    def _get(self, batch_id: str, settings: CallSettings) -> Batch:
        request = filled(pb.GetBatchRequest(), batch_id=batch_id)
        return to_batch(call(self._stub.GetBatch, request, settings).batch)

    def list(self, *, page_size: int = 0) -> Iterator[Batch]:
        """Yields the batches, newest first, asking for `page_size` at once: 0 to 1,000, 0 for 100."""
        request = filled(pb.ListBatchesRequest(), page_size=page_size)
        while True:
            page = call(self._stub.ListBatches, request, self._settings)
            yield from map(to_batch, page.batches)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def cancel(self, batch_id: str) -> Batch:
        """Ends what is left of a batch; keeps the results that it has."""
        request = filled(pb.CancelBatchRequest(), batch_id=batch_id)
        return to_batch(call(self._stub.CancelBatch, request, self._settings).batch)

    def delete(self, batch_id: str) -> None:
        """Ends what is left of a batch, and forgets it with its results."""
        request = filled(pb.DeleteBatchRequest(), batch_id=batch_id)
        call(self._stub.DeleteBatch, request, self._settings)

    def results(self, batch_id: str) -> Iterator[BatchResult]:
        """Yields the results that a batch has so far, ordered by index; leaving the loop cancels the call."""
        request = filled(pb.StreamBatchResultsRequest(), batch_id=batch_id)
        for page in Responses(self._stub.StreamBatchResults, request, self._settings):
            yield from map(to_batch_result, page.results)

    def wait(
        self,
        batch_id: str,
        *,
        progress: Progress | None = None,
        poll_s: float = POLL_S,
        timeout_s: float | None = None,
    ) -> Batch:
        """Waits until every item has its result.

        Args:
            progress: Called with the batch at the start and each `poll_s` seconds, to move a progress bar.
            timeout_s: The most seconds to wait; 0 asks once, None is no limit. The batch goes on afterwards.

        Raises:
            DeadlineExceededError: `timeout_s` is over.
            TypeError: `timeout_s` or `poll_s` is no number.
            ValueError: One of them is below 0 or more than 31 years.
        """
        limit = _Limit(batch_id, timeout_s)
        check_seconds(poll_s, "poll_s", may_be_zero=True)
        while True:
            with limit.look(self._settings) as settings:
                batch = self._get(batch_id, settings)
            if progress is not None:
                progress(batch)
            if batch.has_ended:
                return batch
            time.sleep(min(poll_s, limit.left_s()))
            limit.check(batch)


class AsyncBatches:
    """`client.batches` of an `AsyncClient`, those of its account. All calls raise `RunstreamError`s."""

    def __init__(self, stub: "pb_grpc.BatchServiceAsyncStub", settings: CallSettings) -> None:
        self._stub = stub
        self._settings = settings

    async def create(self, model: str, items: Iterable[BatchItemLike], *, request_id: str | None = None) -> Batch:
        """Has a batch taken, as a whole or not at all: see `Batches.create`."""
        request = _create_request(model, items, request_id)
        return to_batch((await call_async(self._stub.CreateBatch, request, self._settings)).batch)

    async def get(self, batch_id: str) -> Batch:
        """Tells how far a batch is."""
        return await self._get(batch_id, self._settings)

    async def _get(self, batch_id: str, settings: CallSettings) -> Batch:
        request = filled(pb.GetBatchRequest(), batch_id=batch_id)
        return to_batch((await call_async(self._stub.GetBatch, request, settings)).batch)

    async def list(self, *, page_size: int = 0) -> AsyncIterator[Batch]:
        """Yields the batches, newest first, asking for `page_size` at once: 0 to 1,000, 0 for 100."""
        request = filled(pb.ListBatchesRequest(), page_size=page_size)
        while True:
            page = await call_async(self._stub.ListBatches, request, self._settings)
            for batch in page.batches:
                yield to_batch(batch)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel(self, batch_id: str) -> Batch:
        """Ends what is left of a batch; keeps the results that it has."""
        request = filled(pb.CancelBatchRequest(), batch_id=batch_id)
        return to_batch((await call_async(self._stub.CancelBatch, request, self._settings)).batch)

    async def delete(self, batch_id: str) -> None:
        """Ends what is left of a batch, and forgets it with its results."""
        request = filled(pb.DeleteBatchRequest(), batch_id=batch_id)
        await call_async(self._stub.DeleteBatch, request, self._settings)

    async def results(self, batch_id: str) -> AsyncIterator[BatchResult]:
        """Yields the results that a batch has so far, ordered by index; leaving the loop cancels the call."""
        request = filled(pb.StreamBatchResultsRequest(), batch_id=batch_id)
        async for page in AsyncResponses(self._stub.StreamBatchResults, request, self._settings):
            for result in page.results:
                yield to_batch_result(result)

    async def wait(
        self,
        batch_id: str,
        *,
        progress: Progress | None = None,
        poll_s: float = POLL_S,
        timeout_s: float | None = None,
    ) -> Batch:
        """Waits until every item has its result: see `Batches.wait`."""
        limit = _Limit(batch_id, timeout_s)
        check_seconds(poll_s, "poll_s", may_be_zero=True)
        while True:
            with limit.look(self._settings) as settings:
                batch = await self._get(batch_id, settings)
            if progress is not None:
                progress(batch)
            if batch.has_ended:
                return batch
            await asyncio.sleep(min(poll_s, limit.left_s()))
            limit.check(batch)
