"""The items of batches that a model answers: a few at a time, the accounts in turn, behind online requests."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing

from runstream.v1 import batches_pb2
from runstream.v1 import text_generation_pb2 as pb

from service.batches.records import WaitingItem
from service.batches.store import BatchStore
from service.batches.store_thread import StoreThread
from service.batches.troubles import DiskTroubles
from service.errors import EngineFailedError, ModelNotReadyError, QueueFullError, RunstreamError
from service.generation import TextGenerator
from service.models.model import Model
from service.output.completion import join
from service.request_log import RequestRecord

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
# After five deaths within a minute an engine stays down; batches must not be what it dies of for the last times.
_MAX_RECENT_DEATHS = 3

CANCELLED = "CANCELLED"

OnEnd = Callable[[str, str], None]


class Lane:
    """Answers the items that one model is to answer, which is loaded for them if there is room.

    At most as many are in flight as the engine runs at once, so that batches never fill its queue. What fails because
    the engine can't take it now waits here and is tried again. When an engine dies, any of the items that it ran may be
    why: each is tried once more, alone, and one with which it then fails again has failed.

    Args:
        model: The model that answers.
        names: Tells the models that the items ask, those for which it stands in included.
        generator: What answers.
        store: Where the items are.
        troubles: Are told when it fails.
        clock: Tells the time, in seconds since 1970.
        on_end: Is called for each item that got its result, with the model's id and "succeeded" or why it failed.
        charge: Is called for each answer, with the batch's id and how many tokens prompt and completion have.
        longest_pause_s: How long it waits at most before it tries again what did not work.
    """

    def __init__(
        self,
        model: Model,
        names: Callable[[], Sequence[str]],
        generator: TextGenerator,
        store: StoreThread,
        *,
        troubles: DiskTroubles,
        clock: Callable[[], float],
        on_end: OnEnd,
        charge: Callable[[str, int], None] = lambda batch_id, num_tokens: None,
        longest_pause_s: float = 5.0,
    ) -> None:
        self._model = model
        self._names = names
        self._generator = generator
        self._store = store
        self._troubles = troubles
        self._clock = clock
        self._on_end = on_end
        self._charge = charge
        self._longest_pause_s = longest_pause_s
        self._returned: list[WaitingItem] = []
        self._suspects: deque[WaitingItem] = deque()
        self._running: dict[asyncio.Task[None], WaitingItem] = {}
        self._has_news = asyncio.Event()
        self._pause_s = 0.0

    def wake(self) -> None:
        """Tells it that there are new items."""
        self._has_news.set()

    async def run(self) -> None:
        """Starts items until cancelled; those that it has started go on then."""
        while True:
            self._has_news.clear()
            try:
                await self._start_items()
            except sqlite3.Error as error:
                self._troubles.tell(error)
                self._put_off()
            await self._has_news.wait()
            await asyncio.sleep(self._pause_s)

    def drop(self, is_meant: Callable[[WaitingItem], bool]) -> None:
        """Ends some of the items that are running, without a result; what waits is looked up before it begins."""
        for task, item in self._running.items():
            if is_meant(item):
                task.cancel()

    async def has_dropped(self, is_meant: Callable[[WaitingItem], bool]) -> None:
        """Waits until none of the items meant is running."""
        if ending := [task for task, item in self._running.items() if is_meant(item)]:
            await asyncio.wait(ending)

    async def _start_items(self) -> None:
        if self._model.engine.num_recent_deaths >= _MAX_RECENT_DEATHS:
            self._put_off()
            return
        if self._suspects:
            if not self._running:
                self._start(self._suspects.popleft(), is_suspect=True)
            return
        num_free = self._model.engine.max_num_seqs - len(self._running)
        again, self._returned = self._returned[:num_free], self._returned[num_free:]
        for item in again:
            self._start(item)
        if num_free > len(again):
            names, num_new = self._names(), num_free - len(again)
            begun = [item.number for item in (*self._running.values(), *self._returned, *self._suspects)]
            for item in await self._store(lambda store: store.waiting(names, begun, num_new)):
                self._start(item)

    def _put_off(self) -> None:
        """Has what was to be done now done after the longest pause."""
        self._pause_s = self._longest_pause_s
        self._has_news.set()

    def _start(self, item: WaitingItem, *, is_suspect: bool = False) -> None:
        task = asyncio.create_task(self._answer(item, is_suspect))
        self._running[task] = item
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._has_news.set()

    async def _answer(self, item: WaitingItem, is_suspect: bool) -> None:
        if not await self._note(lambda store: store.begin(item)):
            return
        request = pb.RunRequest.FromString(item.request)
        result = _result_for(item, request)
        outcome = "succeeded"
        try:
            result.response.CopyFrom(await self._ask(item, request))
        except (QueueFullError, ModelNotReadyError):
            self._pause_s = min(max(2 * self._pause_s, _FIRST_PAUSE_S), self._longest_pause_s)
            self._give_back(item, is_suspect)
            return
        except RunstreamError as error:
            if isinstance(error, EngineFailedError) and not is_suspect:
                self._suspects.append(item)
                return
            outcome = error.reason
            result.failure.reason, result.failure.message = error.reason, error.for_caller
        self._pause_s = 0.0
        has_succeeded = outcome == "succeeded"
        written = result.SerializeToString()
        now = self._clock()
        await self._note(
            lambda store: store.finish(item, written, now, has_succeeded=has_succeeded),
            lambda is_first: self._on_end(self._model.entry.id, outcome) if is_first else None,
        )

    def _give_back(self, item: WaitingItem, is_suspect: bool) -> None:
        if is_suspect:
            self._suspects.appendleft(item)
        else:
            self._returned = sorted([*self._returned, item])

    async def _ask(self, item: WaitingItem, request: pb.RunRequest) -> pb.RunResponse:
        """The answer to an item; its id is the batch's with the item's index, which is how the log has it.

        Raises:
            RunstreamError: There is none; of what nobody foresaw it tells nothing.
        """
        record = RequestRecord(f"{item.batch_id}/{item.index}", account=item.account, model=request.model)
        try:
            async with aclosing(self._generator.generate(request, record.id, item.account)) as parts:
                answer = join([record.note(part) async for part in parts])
            self._charge(item.batch_id, answer.usage.prompt_tokens + answer.usage.completion_tokens)
            return answer
        except RunstreamError as error:
            record.error = error.for_log
            raise
        except Exception as error:
            _log.exception("item %d of batch %s failed", item.index, item.batch_id)
            record.error = "INTERNAL"
            raise RunstreamError("internal error") from error
        finally:
            record.log()

    async def _note(self, change: Callable[[BatchStore], bool], then: Callable[[bool], None] | None = None) -> bool:
        """Changes the store, in the end: a disk that is full for a while holds the lane up and loses no answer."""
        pause_s = min(_FIRST_PAUSE_S, self._longest_pause_s)
        while True:
            try:
                return await self._store(change, then)
            except sqlite3.Error as error:
                self._troubles.tell(error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._longest_pause_s)


def to_cancelled(item: WaitingItem) -> bytes:
    """The result, serialized, of an item whose batch was cancelled before it had one."""
    result = _result_for(item, pb.RunRequest.FromString(item.request))
    result.failure.reason = CANCELLED
    result.failure.message = "The batch was cancelled before this item had its answer."
    return result.SerializeToString()


def _result_for(item: WaitingItem, request: pb.RunRequest) -> batches_pb2.BatchResult:
    """The result without what became of the item: only what its request says."""
    choice = request.tool_choice
    return batches_pb2.BatchResult(
        index=item.index,
        external_reference=item.external_reference,
        is_json=request.response_format.WhichOneof("format") in ("json_object", "json_schema"),
        is_call_forced=bool(choice.name) or choice.mode == pb.TOOL_CHOICE_MODE_REQUIRED,
        is_prompt=request.WhichOneof("input") in ("prompt", "prompt_token_ids"),
    )
