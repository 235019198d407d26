"""The store's own thread."""

import asyncio
import threading

from service.batches.records import NewBatch, NewItem
from service.batches.store import BatchStore
from service.batches.store_thread import StoreThread

TTL_S = 100.0


def stored(store):
    """The id of a new batch with two items."""
    return store.create(NewBatch("acc", "model", [NewItem(None, b"request")] * 2), now=1.0).id


async def test_what_was_begun_ends_before_the_file_is_closed(tmp_path):
    path = tmp_path / "batches.sqlite"
    thread = StoreThread(BatchStore(path, TTL_S))
    has_begun, is_closed = threading.Event(), threading.Event()

    def slow(store):
        has_begun.set()
        is_closed.wait(0.2)  # in vain, for closing waits for this
        return stored(store)

    storing = asyncio.ensure_future(thread(slow))
    await asyncio.to_thread(has_begun.wait)
    await asyncio.to_thread(thread.close)
    is_closed.set()
    assert await storing
    reopened = BatchStore(path, TTL_S)
    assert reopened.num_waiting == 2
    reopened.close()
