"""Batches: taken as a whole, answered by the lanes behind online requests, kept in a file until they expire."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from runstream.v1 import batches_pb2

from service.batches.lane import CANCELLED, Lane, to_cancelled
from service.batches.pages import to_cursor, to_page_size, to_token
from service.batches.records import BatchRecord, WaitingItem
from service.batches.request import check_account, to_new_batch, to_request_id
from service.batches.steady_clock import SteadyClock
from service.batches.store import BatchStore
from service.batches.store_thread import CallersStore, StoreThread
from service.batches.troubles import DiskTroubles
from service.errors import BatchesDisabledError, ModelNotReadyError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.models.model import Model
from service.models.models import Models

_log = logging.getLogger(__name__)

_PAGE_BYTES = 1 << 20
_MAX_INLINE_BYTES = 1 << 16

# One takes seconds. In the threads that all requests share, a few at once would hold those up, too.
_LARGE = ThreadPoolExecutor(1, "large-batch")
_EXPIRY_PERIOD_S = 60.0
ERASE_PERIOD_S = 1.0
"""How soon what was answered or deleted is also gone from the log beside the file."""


class Batches:
    """Takes batches, tells about them and has them answered.

    Args:
        models: Who answers.
        generator: What answers.
        metrics: Gets counts.
        ttl_s: For how many seconds a batch and its results are kept once it is done.
        clock: Tells the time, in seconds since 1970; None for one that does not jump when the machine's is set.
        charge: Is called for each answer, with the batch's id and how many tokens it has.
    """

    def __init__(
        self,
        models: Models,
        generator: TextGenerator,
        metrics: Metrics,
        ttl_s: float,
        clock: Callable[[], float] | None = None,
        charge: Callable[[str, int], None] = lambda batch_id, num_tokens: None,
    ) -> None:
        self._models = models
        self._generator = generator
        self._metrics = metrics
        self._ttl_s = ttl_s
        self._clock = clock or SteadyClock()
        self._charge = charge
        self._troubles = DiskTroubles(metrics.count_batch_store_error)
        self._thread: StoreThread | None = None
        self._is_draining = False
        self._lanes: list[Lane] = []
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, path: Path) -> None:
        """Opens the file, from which batches are read and answered from `start` on.

        Raises:
            ConfigError: It can't be used.
        """
        store = BatchStore(path, self._ttl_s)
        self._metrics.watch_batches(lambda: store.num_waiting)
        self._thread = StoreThread(store)

    def start(self) -> None:
        """Has the items that wait answered, those that an earlier process has left included."""
        if self._thread is None:
            return
        if num_waiting := self._thread.num_waiting:
            _log.info("%d items of batches wait for an answer", num_waiting)
        self._run(self._expire())
        self._run(self._erase())
        self._models.on_open(self._open_lane)

    def _open_lane(self, model: Model) -> None:
        if self._thread is None or self._is_draining:
            return
        names = functools.partial(self._models.answered_by, model)
        on_end = self._metrics.count_batch_items
        lane = Lane(
            model,
            names,
            self._generator,
            self._thread,
            troubles=self._troubles,
            clock=self._clock,
            on_end=on_end,
            charge=self._charge,
        )
        self._lanes.append(lane)
        self._run(lane.run())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_tell_failure)
        self._tasks.append(task)

    def drain(self) -> None:
        """Starts no items any more. Those that run may end until `stop`."""
        self._is_draining = True
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """Ends what runs, which the next process that opens the file answers from the beginning."""
        self.drain()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self._lanes:
            lane.drop(lambda _: True)
        await self._has_dropped(lambda _: True)
        if self._thread is not None:
            self._thread.close()

    async def create(self, request: batches_pb2.CreateBatchRequest) -> batches_pb2.Batch:
        """Takes a batch.

        Raises:
            InvalidRequestError: A field, or an item, is wrong; or an earlier request with its id was another.
            ModelNotFoundError, WeightsMissingError, ModelNotReadyError: Its model answers nothing here.
            QueueFullError: As many items wait as may.
            BatchesDisabledError: No file is open.
        """
        store = self._store()
        check_account(request.account)
        request_id = to_request_id(request.request_id)
        now = self._clock()
        if not request_id or not await store(lambda store: store.is_known(request.account, request_id, now)):
            self._models.answering(request.model)
        if request.ByteSize() <= _MAX_INLINE_BYTES:
            new = to_new_batch(request, request_id)
        else:
            new = await asyncio.get_running_loop().run_in_executor(_LARGE, to_new_batch, request, request_id)
        return self._to_batch(await store(lambda store: store.create(new, now), self._take))

    def _take(self, record: BatchRecord) -> None:
        _log.info("batch %s: %d items for %s", record.id, record.num_items, record.model)
        for lane in self._lanes:
            lane.wake()

    async def get(self, account: str, batch_id: str) -> batches_pb2.Batch:
        """Tells about a batch.

        Raises:
            BatchNotFoundError: There is none that the account may read.
            BatchesDisabledError: No file is open.
        """
        now = self._clock()
        return self._to_batch(await self._store()(lambda store: store.get(account, batch_id, now)))

    async def results(self, account: str, batch_id: str) -> AsyncGenerator[list[batches_pb2.BatchResult], None]:
        """The results that a batch has, by index, in pages of about 1 MiB.

        Raises:
            BatchNotFoundError: There is none that the account may read.
            BatchesDisabledError: No file is open.
        """
        store = self._store()
        await self.get(account, batch_id)
        next_index = 0
        while page := await store(lambda store: store.results(batch_id, next_index, _PAGE_BYTES)):  # noqa: B023
            next_index = page[-1][0] + 1
            yield [batches_pb2.BatchResult.FromString(result) for _, result in page]

    async def page(self, account: str, page_size: int, page_token: str) -> tuple[list[batches_pb2.Batch], str]:
        """The account's batches, newest first: a page of them, and the token of the next one, empty if there is none.

        Raises:
            InvalidRequestError: A field is wrong.
            BatchesDisabledError: No file is open.
        """
        store = self._store()
        check_account(account)
        size, after, now = to_page_size(page_size), to_cursor(page_token), self._clock()
        found = await store(lambda store: store.page(account, after, size + 1, now))
        return [self._to_batch(record) for record in found[:size]], to_token(found[size - 1]) if found[size:] else ""

    async def cancel(self, account: str, batch_id: str) -> batches_pb2.Batch:
        """Ends what is left of a batch: its items without a result have failed.

        Raises:
            BatchNotFoundError: There is none that the account may read.
            BatchesDisabledError: No file is open.
        """
        now = self._clock()
        record, _ = await self._store()(
            lambda store: store.cancel(account, batch_id, now, to_cancelled), lambda ended: self._end(*ended)
        )
        await self._has_dropped(lambda item: item.batch_id == batch_id)
        return self._to_batch(record)

    def _end(self, record: BatchRecord, num_cancelled: int) -> None:
        self._drop(record.id)
        self._metrics.count_batch_items(record.model, CANCELLED, num_cancelled)

    async def delete(self, account: str, batch_id: str) -> None:
        """Ends what is left of a batch and forgets it.

        Raises:
            BatchNotFoundError: There is none that the account may read.
            BatchesDisabledError: No file is open.
        """
        now = self._clock()
        await self._store()(lambda store: store.delete(account, batch_id, now), lambda _: self._drop(batch_id))
        await self._has_dropped(lambda item: item.batch_id == batch_id)

    def _drop(self, batch_id: str) -> None:
        for lane in self._lanes:
            lane.drop(lambda item: item.batch_id == batch_id)

    async def _has_dropped(self, is_meant: Callable[[WaitingItem], bool]) -> None:
        for lane in self._lanes:
            await lane.has_dropped(is_meant)

    async def forget_expired(self) -> None:
        """Deletes the batches whose time is up."""
        now = self._clock()
        if num_batches := await self._store()(lambda store: store.delete_expired(now)):
            _log.info("%d batches have expired", num_batches)

    async def _expire(self) -> None:
        while True:
            with contextlib.suppress(ModelNotReadyError):  # the disk fails, which is told
                await self.forget_expired()
            await asyncio.sleep(min(_EXPIRY_PERIOD_S, self._ttl_s))

    async def _erase(self) -> None:
        while True:
            await asyncio.sleep(ERASE_PERIOD_S)
            if self._thread is not None and self._thread.is_erasable:
                with contextlib.suppress(ModelNotReadyError):
                    await self._store()(BatchStore.erase)

    def _store(self) -> CallersStore:
        if self._thread is None:
            raise BatchesDisabledError("this service keeps no batches: start it with --batch-db PATH")
        return CallersStore(self._thread, self._troubles)

    def _to_batch(self, record: BatchRecord) -> batches_pb2.Batch:
        batch = batches_pb2.Batch(
            id=record.id,
            model=record.model,
            state=batches_pb2.BATCH_STATE_RUNNING if record.has_begun else batches_pb2.BATCH_STATE_QUEUED,
            num_items=record.num_items,
            num_succeeded=record.num_succeeded,
            num_failed=record.num_failed,
            create_time=_timestamp(record.created_at),
        )
        if record.ended_at is not None:
            batch.state = batches_pb2.BATCH_STATE_CANCELLED if record.is_cancelled else batches_pb2.BATCH_STATE_DONE
            batch.end_time.CopyFrom(_timestamp(record.ended_at))
            batch.expire_time.CopyFrom(_timestamp(record.ended_at + self._ttl_s))
        return batch


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(round(seconds * 1e6))
    return timestamp


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.critical("batches are not answered any more", exc_info=error)
