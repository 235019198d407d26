"""Batches: taken as a whole, answered by the lanes behind online requests, kept in a file until they expire."""

import asyncio
import functools
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batch_lane import Lane
from service.batch_store import BatchRecord, BatchStore, NewItem, StoreThread
from service.conversion import check_request
from service.errors import BatchesDisabledError, InvalidRequestError, QueueFullError
from service.generation import TextGenerator
from service.metrics import Metrics
from service.model import Model
from service.models import Models
from service.response_format import to_grammar

_log = logging.getLogger(__name__)

MAX_ITEMS = 10_000
MAX_WAITING_ITEMS = 100_000
MAX_ACCOUNT_CHARACTERS = 128
MAX_REFERENCE_CHARACTERS = 1024
# A status holds 400 characters of a message; a few examples tell more than the first violation at length.
_MAX_VIOLATIONS = 5

_PAGE_BYTES = 1 << 20
_MAX_INLINE_BYTES = 1 << 16
_EXPIRY_PERIOD_S = 60.0


class Batches:
    """Takes batches, tells about them and has them answered.

    Args:
        models: Who answers.
        generator: What answers.
        metrics: Gets counts.
        ttl_s: For how many seconds a batch and its results are kept once it is done.
        clock: Tells the time, in seconds since 1970.
    """

    def __init__(
        self,
        models: Models,
        generator: TextGenerator,
        metrics: Metrics,
        ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._models = models
        self._generator = generator
        self._metrics = metrics
        self._ttl_s = ttl_s
        self._clock = clock
        self._thread: StoreThread | None = None
        self._num_waiting = 0
        self._is_draining = False
        self._lanes: list[Lane] = []
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, path: Path) -> None:
        """Opens the file, from which batches are read and answered from `start` on.

        Raises:
            ConfigError: It can't be used.
        """
        store = BatchStore(path, self._ttl_s)
        self._num_waiting = store.num_waiting()
        self._metrics.watch_batches(lambda: self._num_waiting)
        self._thread = StoreThread(store)

    def start(self) -> None:
        """Has the items that wait answered, those that an earlier process has left included."""
        if self._thread is None:
            return
        if self._num_waiting:
            _log.info("%d items of batches wait for an answer", self._num_waiting)
        self._run(self._expire())
        self._models.on_open(self._open_lane)

    def _open_lane(self, model: Model) -> None:
        if self._thread is None or self._is_draining:
            return
        names = functools.partial(self._models.answered_by, model)
        lane = Lane(model, names, self._generator, self._thread, self._clock, self._count)
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
            await lane.abandon(lambda _: True)
        if self._thread is not None:
            self._thread.close()

    async def create(self, request: batches_pb2.CreateBatchRequest) -> batches_pb2.Batch:
        """Takes a batch.

        Raises:
            InvalidRequestError: A field, or an item, is wrong.
            ModelNotFoundError, WeightsMissingError, ModelNotReadyError: Its model answers nothing here.
            QueueFullError: As many items wait as may.
            BatchesDisabledError: No file is open.
        """
        store = self._store()
        _check_account(request.account)
        self._models.answering(request.model)
        if request.ByteSize() <= _MAX_INLINE_BYTES:
            items = _to_items(request)
        else:
            items = await asyncio.to_thread(_to_items, request)
        if self._num_waiting + len(items) > MAX_WAITING_ITEMS:
            raise QueueFullError(
                f"{self._num_waiting} items of batches are waiting already and {MAX_WAITING_ITEMS} may: send this "
                "batch when others are done",
                max_waiting_items=MAX_WAITING_ITEMS,
            )
        now = self._clock()
        batch_id = await store(lambda store: store.create(request.account, request.model, items, now))
        self._num_waiting += len(items)
        _log.info("batch %s: %d items for %s", batch_id, len(items), request.model)
        for lane in self._lanes:
            lane.wake()
        return await self.get(request.account, batch_id)

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

    async def delete(self, account: str, batch_id: str) -> None:
        """Ends what is left of a batch and forgets it.

        Raises:
            BatchNotFoundError: There is none that the account may read.
            BatchesDisabledError: No file is open.
        """
        await self.get(account, batch_id)
        self._num_waiting -= await self._store()(lambda store: store.delete(batch_id))
        for lane in self._lanes:
            await lane.abandon(lambda item: item.batch_id == batch_id)

    async def forget_expired(self) -> None:
        """Deletes the batches whose time is up."""
        now = self._clock()
        if num_batches := await self._store()(lambda store: store.delete_expired(now)):
            _log.info("%d batches have expired", num_batches)

    async def _expire(self) -> None:
        while True:
            try:
                await self.forget_expired()
            except sqlite3.Error:
                _log.exception("expired batches can't be deleted")
            await asyncio.sleep(min(_EXPIRY_PERIOD_S, self._ttl_s))

    def _store(self) -> StoreThread:
        if self._thread is None:
            raise BatchesDisabledError("this service keeps no batches: start it with --batch-db PATH")
        return self._thread

    def _count(self, model: str, outcome: str) -> None:
        self._num_waiting -= 1
        self._metrics.count_batch_item(model, outcome)

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
            batch.state = batches_pb2.BATCH_STATE_DONE
            batch.end_time.CopyFrom(_timestamp(record.ended_at))
            batch.expire_time.CopyFrom(_timestamp(record.ended_at + self._ttl_s))
        return batch


def _check_account(account: str) -> None:
    if not 1 <= len(account) <= MAX_ACCOUNT_CHARACTERS or not account.isascii() or not account.isprintable():
        message = f"account must have 1 to {MAX_ACCOUNT_CHARACTERS} printable ASCII characters"
        raise InvalidRequestError(message, "account")


def _to_items(request: batches_pb2.CreateBatchRequest) -> list[NewItem]:
    """The items as they are stored.

    Raises:
        InvalidRequestError: There are too few or too many, or some are wrong.
    """
    if not 1 <= len(request.items) <= MAX_ITEMS:
        message = f"the batch has {len(request.items)} items; its range is 1 to {MAX_ITEMS}"
        raise InvalidRequestError(message, "items", max_items=MAX_ITEMS)
    violations = list(_violations(request))
    if violations:
        told = "; ".join(f"{path}: {message}" for path, message in violations[:_MAX_VIOLATIONS])
        more = f"; and {len(violations) - _MAX_VIOLATIONS} more" if len(violations) > _MAX_VIOLATIONS else ""
        raise InvalidRequestError(told + more, violations[0][0], num_violations=len(violations))
    return [_to_item(request, item) for item in request.items]


def _violations(request: batches_pb2.CreateBatchRequest) -> Iterator[tuple[str, str]]:
    """The path and the fault of each item that is wrong."""
    for index, item in enumerate(request.items):
        path = f"items[{index}]"
        if len(item.external_reference) > MAX_REFERENCE_CHARACTERS:
            yield f"{path}.external_reference", f"it has more than {MAX_REFERENCE_CHARACTERS} characters"
        if item.request.model not in ("", request.model):
            yield f"{path}.request.model", "it must be the batch's or empty"
        if item.request.priority not in (pb.PRIORITY_UNSPECIFIED, pb.PRIORITY_BATCH):
            yield f"{path}.request.priority", "it must be PRIORITY_BATCH or unspecified"
        try:
            check_request(item.request)
            to_grammar(item.request)
        except InvalidRequestError as error:
            yield f"{path}.request", error.message


def _to_item(request: batches_pb2.CreateBatchRequest, item: batches_pb2.BatchItem) -> NewItem:
    asked = item.request
    asked.model, asked.priority = request.model, pb.PRIORITY_BATCH
    asked.cache_salt = asked.cache_salt or request.account
    reference = item.external_reference if item.HasField("external_reference") else None
    return NewItem(reference, asked.SerializeToString())


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMicroseconds(round(seconds * 1e6))
    return timestamp


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.critical("batches are not answered any more", exc_info=error)
