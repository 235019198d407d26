"""The file of batches on a disk that is full, and one that is damaged; what is left of what was answered."""

import subprocess
import sys

import pytest

from service.batches.records import NewBatch, NewItem
from service.batches.store import BatchStore
from service.config import ConfigError
from service.errors import ModelNotReadyError
from tests.support.batch_requests import ACCOUNT
from tests.support.batch_setting import OPEN, Setting, asked

SECRET = b"nobody may read this any more"
ERRORS = "runstream_batch_store_errors_total"
MANY = 1 << 30


def bytes_of(folder):
    """Everything in a folder's files: the database's, its log's, and whatever else there is."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def add(store, num_items=3):
    """Stores a batch of secrets."""
    items = [NewItem(None, SECRET * 200)] * num_items
    return store.create(NewBatch("acc", "model", items), 1.0).id


async def bound(setting, num_pages):
    """Lets the file have so many pages and no more, as a full disk would."""
    await setting.thread(lambda store: store._db.execute(f"PRAGMA max_page_count = {num_pages}").fetchone())


def test_no_file_has_what_was_answered(tmp_path):
    store = BatchStore(tmp_path / "batches.sqlite", 60.0)
    add(store)
    assert SECRET in bytes_of(tmp_path)
    for item in store.waiting(["model"], (), 10):
        store.finish(item, b"result", 2.0, has_succeeded=True)
    assert store.is_erasable
    store.erase()
    assert not store.is_erasable
    assert SECRET not in bytes_of(tmp_path)
    store.close()


async def test_no_file_has_it_a_moment_after_its_answer(tmp_path):
    setting = Setting(tmp_path / "batches.sqlite")
    request = asked(OPEN, num_items=1)
    request.items[0].request.prompt.text = OPEN
    request.items[0].external_reference = "kept"
    request.items[0].request.cache_salt = SECRET.decode()
    await setting.batches.create(request)
    await setting.until(lambda: not setting.thread.num_waiting)
    await setting.until(lambda: not setting.thread.is_erasable)
    assert SECRET not in bytes_of(tmp_path)
    await setting.batches.stop()


def test_no_file_has_it_once_the_service_that_was_killed_before_starts_again(tmp_path):
    path = tmp_path / "batches.sqlite"
    script = (
        "import os, pathlib, service.batches.store as s, service.batches.records as r\n"
        f"store = s.BatchStore(pathlib.Path({str(path)!r}), 60.0)\n"
        f"store.create(r.NewBatch('acc', 'model', [r.NewItem(None, {SECRET!r})]), 1.0)\n"
        "(item,) = store.waiting(['model'], (), 1)\n"
        "store.finish(item, b'result', 2.0, has_succeeded=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert SECRET in bytes_of(tmp_path)
    store = BatchStore(path, 60.0)
    assert SECRET not in bytes_of(tmp_path)
    store.close()


def test_a_damaged_file_is_refused_with_what_to_do_and_left_as_it_is(tmp_path):
    path = tmp_path / "batches.sqlite"
    store = BatchStore(path, 60.0)
    add(store, num_items=50)
    store.close()
    pages = bytearray(path.read_bytes())
    pages[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(pages)
    with pytest.raises(ConfigError, match=r"is damaged: .*move it and batches\.sqlite-wal away or put a copy back"):
        BatchStore(path, 60.0)
    assert path.read_bytes()[3 * 4096 : 4 * 4096] == b"\xff" * 4096


async def test_a_full_disk_refuses_batches_in_the_clients_words_and_goes_on_by_itself(tmp_path, caplog):
    setting = Setting(tmp_path / "batches.sqlite")
    batch = await setting.batches.create(asked(OPEN))
    await bound(setting, 1)
    large = asked("x" * 100_000)
    for _ in range(20):
        with pytest.raises(ModelNotReadyError, match=r"can't keep batches now: its disk fails\. Try again later"):
            await setting.batches.create(large)
    assert (await setting.batches.get(ACCOUNT, batch.id)).num_items == 2, "what is there can still be read"
    assert len([line for line in caplog.messages if "SQLITE_FULL" in line]) == 1
    assert (setting.metrics.registry.get_sample_value(ERRORS, {"kind": "SQLITE_FULL"}) or 0) >= 20
    await bound(setting, MANY)
    later = await setting.batches.create(asked(OPEN))
    await setting.until(lambda: not setting.thread.num_waiting)
    assert (await setting.batches.get(ACCOUNT, later.id)).num_succeeded == 2
    await setting.batches.stop()
