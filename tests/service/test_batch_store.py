"""The file of the batches: what is kept, for how long, and who may open it."""

import sqlite3
import stat
import subprocess
import sys

import pytest

from service.batch_store import BatchStore, NewItem
from service.config import ConfigError
from service.errors import BatchNotFoundError

TTL_S = 100.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "batches.sqlite"


@pytest.fixture
def store(path):
    opened = BatchStore(path, TTL_S)
    yield opened
    opened.close()


def stored(store, num_items=2, model="model"):
    """The id of a new batch of an account "acc"."""
    return store.create("acc", model, [NewItem(None, b"request")] * num_items, now=1.0)


def finish_all(store, now, model="model"):
    """Gives every item that waits a result."""
    for item in store.waiting([model], 0, 100):
        assert store.finish(item, b"result", now, has_succeeded=item.index % 2 == 0)


def test_file_and_folder_are_for_their_owner_only(store, path):
    stored(store)
    files = list(path.parent.iterdir())
    assert path in files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(path):
    path.parent.mkdir()
    path.touch(mode=0o644)
    BatchStore(path, TTL_S).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_process_is_locked_out_and_told_what_to_do(store, path):
    script = f"import pathlib, service.batch_store as s; s.BatchStore(pathlib.Path({str(path)!r}), 1.0)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"ConfigError: --batch-db {path} is in use by another service: choose another" in ended.stderr


def test_what_a_process_that_was_killed_has_stored_is_there(path):
    script = (
        "import os, pathlib, service.batch_store as s\n"
        f"store = s.BatchStore(pathlib.Path({str(path)!r}), 1.0)\n"
        "print(store.create('acc', 'model', [s.NewItem('é', b'request')], 1.0), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    store = BatchStore(path, TTL_S)
    (item,) = store.waiting(["model"], 0, 10)
    assert (item.batch_id, item.external_reference, item.request) == (killed.stdout.strip(), "é", b"request")
    store.close()


@pytest.mark.parametrize("content", [b"not a database" * 100, None])
def test_a_file_that_is_no_database_of_ours_is_refused_with_the_flag(path, content):
    path.parent.mkdir()
    if content is None:
        other = sqlite3.connect(path)
        other.execute("PRAGMA user_version = 7")
        other.close()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"--batch-db .* can't be used: .*; choose another"):
        BatchStore(path, TTL_S)


def test_a_batch_goes_from_queued_over_running_to_done(store):
    batch_id = stored(store, 2)
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 0, 0, 0, 1.0, None)
    store.begin(batch_id)
    first, second = store.waiting(["model"], 0, 10)
    store.finish(second, b"b", 2.0, has_succeeded=False)
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 0, 1, 1, 1.0, None)
    store.finish(first, b"a", 3.0, has_succeeded=True)
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 1, 1, 1, 1.0, 3.0)
    assert store.results(batch_id, 0, 1000) == [(0, b"a"), (1, b"b")]


def test_an_item_keeps_its_first_result_and_is_counted_once(store):
    batch_id = stored(store, 2)
    item, _ = store.waiting(["model"], 0, 10)
    assert store.finish(item, b"first", 2.0, has_succeeded=True)
    assert not store.finish(item, b"second", 3.0, has_succeeded=False)
    assert store.results(batch_id, 0, 1000) == [(0, b"first")]
    assert store.get("acc", batch_id, 1.0).num_succeeded == 1


def test_what_is_answered_is_not_kept_as_a_question(store):
    stored(store)
    finish_all(store, now=2.0)
    assert store._db.execute("SELECT DISTINCT request FROM items").fetchall() == [(b"",)]


def test_items_wait_in_their_order_each_for_its_model(store):
    ids = [stored(store, 2, model) for model in ("one", "other", "one")]
    waiting = store.waiting(["one", "alias"], 0, 3)
    assert [(item.batch_id, item.index) for item in waiting] == [(ids[0], 0), (ids[0], 1), (ids[2], 0)]
    (left,) = store.waiting(["one", "alias"], waiting[-1].number, 3)
    assert (left.batch_id, left.index) == (ids[2], 1)
    assert store.num_waiting() == 6


def test_a_page_of_results_has_one_at_least_and_stops_at_its_size(store):
    batch_id = stored(store, 5)
    finish_all(store, now=2.0)
    assert [index for index, _ in store.results(batch_id, 1, 0)] == [1]
    assert [index for index, _ in store.results(batch_id, 2, 2 * len(b"result"))] == [2, 3]
    assert store.results(batch_id, 5, 1000) == []


def test_a_batch_expires_when_it_has_been_done_for_its_time(store):
    done, waiting = stored(store, 2, "model"), stored(store, 1, "slow")
    finish_all(store, now=50.0)
    assert store.get("acc", done, 149.9).ended_at == 50.0
    with pytest.raises(BatchNotFoundError):
        store.get("acc", done, 150.0)
    assert store.delete_expired(149.9) == 0
    assert store.delete_expired(150.0) == 1
    assert store.results(done, 0, 1000) == []
    assert store.get("acc", waiting, 1e9).num_items == 1, "what is not done does not expire"


def test_a_deleted_batch_takes_its_items_with_it_and_no_result_any_more(store):
    batch_id = stored(store, 3)
    item, *_ = store.waiting(["model"], 0, 10)
    store.finish(item, b"result", 2.0, has_succeeded=True)
    later, *_ = store.waiting(["model"], 0, 10)
    assert store.delete(batch_id) == 2
    assert not store.finish(later, b"result", 2.0, has_succeeded=True)
    assert store.num_waiting() == 0
    assert store.waiting(["model"], 0, 10) == []
