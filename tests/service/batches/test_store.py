"""The file of the batches: what is kept, for how long, and who may open it."""

import sqlite3
import stat
import subprocess
import sys

import pytest

from service.batches.file import FIRST_SCHEMA
from service.batches.records import NewBatch, NewItem
from service.batches.store import MAX_WAITING_ITEMS, BatchStore
from service.config import ConfigError
from service.errors import BatchNotFoundError, InvalidRequestError, QueueFullError

TTL_S = 100.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "batches.sqlite"


@pytest.fixture
def store(path):
    opened = BatchStore(path, TTL_S)
    yield opened
    opened.close()


def stored(store, num_items=2, model="model", account="acc"):
    """The id of a new batch."""
    return store.create(NewBatch(account, model, [NewItem(None, b"request")] * num_items), now=1.0).id


def finish_all(store, now, model="model"):
    """Gives every item that waits a result."""
    for item in store.waiting([model], (), 100):
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
    script = f"import pathlib, service.batches.store as s; s.BatchStore(pathlib.Path({str(path)!r}), 1.0)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"ConfigError: --batch-db {path} is in use by another service: choose another" in ended.stderr


def test_what_a_process_that_was_killed_has_stored_is_there(path):
    script = (
        "import os, pathlib, service.batches.store as s, service.batches.records as r\n"
        f"store = s.BatchStore(pathlib.Path({str(path)!r}), 1.0)\n"
        "new = r.NewBatch('acc', 'model', [r.NewItem('é', b'request')])\n"
        "print(store.create(new, 1.0).id, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    store = BatchStore(path, TTL_S)
    (item,) = store.waiting(["model"], (), 10)
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
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 0, 0, 0, 0, 1.0, None)
    first, second = store.waiting(["model"], (), 10)
    assert store.begin(second)
    store.finish(second, b"b", 2.0, has_succeeded=False)
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 0, 1, 1, 0, 1.0, None)
    store.finish(first, b"a", 3.0, has_succeeded=True)
    assert store.get("acc", batch_id, 1.0)[2:] == (2, 1, 1, 1, 0, 1.0, 3.0)
    assert store.results(batch_id, 0, 1000) == [(0, b"a"), (1, b"b")]


def test_an_item_keeps_its_first_result_and_is_counted_once(store):
    batch_id = stored(store, 2)
    item, _ = store.waiting(["model"], (), 10)
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
    waiting = store.waiting(["one", "alias"], (), 3)
    assert [(item.batch_id, item.index) for item in waiting] == [(ids[0], 0), (ids[0], 1), (ids[2], 0)]
    (left,) = store.waiting(["one", "alias"], [item.number for item in waiting], 3)
    assert (left.batch_id, left.index) == (ids[2], 1)
    assert store.num_waiting == 6


def test_accounts_take_turns_however_many_items_one_has(store):
    flood, other = stored(store, 5, account="flood"), stored(store, 2, account="other")
    waiting = store.waiting(["model"], (), 5)
    assert [item.batch_id for item in waiting] == [flood, other, flood, other, flood]


def test_an_account_that_comes_later_joins_the_turn_that_is_being_answered(store):
    flood = stored(store, 5, account="flood")
    begun = store.waiting(["model"], (), 2)
    store.finish(begun[0], b"", 2.0, has_succeeded=True)
    other = stored(store, 3, account="other")
    waiting = store.waiting(["model"], [begun[1].number], 4)
    assert [item.batch_id for item in waiting] == [other, flood, other, flood]


def test_turns_go_on_in_the_next_process(store, path):
    flood = stored(store, 3, account="flood")
    store.close()
    reopened = BatchStore(path, TTL_S)
    more, other = stored(reopened, 1, account="flood"), stored(reopened, 2, account="other")
    assert [item.batch_id for item in reopened.waiting(["model"], (), 9)] == [flood, other, flood, other, flood, more]
    reopened.close()


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
    item, *_ = store.waiting(["model"], (), 10)
    store.finish(item, b"result", 2.0, has_succeeded=True)
    later, *_ = store.waiting(["model"], (), 10)
    assert store.num_waiting == 2
    store.delete("acc", batch_id, 2.0)
    assert not store.begin(later)
    assert not store.finish(later, b"result", 2.0, has_succeeded=True)
    assert store.num_waiting == 0
    assert store.waiting(["model"], (), 10) == []


def test_a_cancelled_batch_has_ended_with_failures_for_what_had_no_result(store):
    batch_id = stored(store, 3)
    item, *_ = store.waiting(["model"], (), 10)
    store.finish(item, b"result", 2.0, has_succeeded=True)
    record, num_cancelled = store.cancel("acc", batch_id, 3.0, lambda item: b"%d" % item.index)
    assert record[2:] == (3, 1, 2, 0, 1, 1.0, 3.0)
    assert (num_cancelled, store.num_waiting, store.waiting(["model"], (), 10)) == (2, 0, [])
    assert store.results(batch_id, 0, 1000) == [(0, b"result"), (1, b"1"), (2, b"2")]
    assert store.cancel("acc", batch_id, 4.0, lambda _: b"") == (record, 0)


def test_what_is_cancelled_is_not_kept_as_a_question(store):
    store.cancel("acc", stored(store), 2.0, lambda _: b"")
    assert store._db.execute("SELECT DISTINCT request FROM items").fetchall() == [(b"",)]


def test_a_request_id_is_free_again_when_its_batch_has_expired(store):
    def create(now, text=b"request"):
        return store.create(NewBatch("acc", "model", [NewItem(None, text)], "id", text), now)

    first = create(1.0)
    assert create(2.0) == first
    finish_all(store, now=50.0)
    assert store.is_known("acc", "id", 149.9)
    assert not store.is_known("other", "id", 149.9)
    with pytest.raises(InvalidRequestError, match="another model or other items"):
        create(149.9, b"other")
    assert not store.is_known("acc", "id", 150.0)
    assert create(150.0, b"other").id != first.id


def test_no_more_items_wait_than_may_and_what_is_sent_again_is_not_counted_twice(store):
    new = NewBatch("acc", "model", [NewItem(None, b"")] * (MAX_WAITING_ITEMS - 1), "id")
    first = store.create(new, 1.0)
    assert store.create(new, 1.0) == first
    with pytest.raises(QueueFullError, match="99999 items of batches are waiting already and 100000 may"):
        stored(store, 2)
    stored(store, 1)
    with pytest.raises(QueueFullError):
        stored(store, 1)
    assert store.num_waiting == MAX_WAITING_ITEMS


def test_a_file_of_the_first_version_is_brought_to_the_newest(path):
    path.parent.mkdir()
    older = sqlite3.connect(path)
    older.executescript(FIRST_SCHEMA + "PRAGMA user_version = 1;")
    older.execute(
        "INSERT INTO batches (id, account, model, num_items, created_at) VALUES ('old', 'acc', 'model', 1, 1.0)"
    )
    older.execute("INSERT INTO items (batch, item_index, request) VALUES (1, 0, x'00')")
    older.commit()
    older.close()
    store = BatchStore(path, TTL_S)
    new = store.create(NewBatch("acc", "model", [NewItem(None, b"")], "id"), 2.0)
    assert [record.id for record in store.page("acc", None, 10, 2.0)] == [new.id, "old"]
    assert store.cancel("acc", "old", 3.0, lambda _: b"")[1] == 1
    assert store._db.execute("PRAGMA user_version").fetchone() == (3,)
    store.close()
    BatchStore(path, TTL_S).close()


def test_what_was_deleted_is_overwritten_and_what_was_stored_is_on_the_disk(store):
    """FULL is 2; with less, a loss of power may take what was answered with an id."""
    pragmas = ("secure_delete", "synchronous", "foreign_keys", "locking_mode", "journal_mode")
    values = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == [1, 2, 1, "exclusive", "wal"]


def test_nothing_of_a_deleted_batch_is_left_in_the_file(store, path):
    secret = b"nobody may read this any more"
    batch_id = store.create(NewBatch("acc", "model", [NewItem("a", secret * 9)]), 1.0).id
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret in path.read_bytes()
    store.delete("acc", batch_id, 2.0)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret not in path.read_bytes()


def test_a_change_that_fails_half_way_leaves_all_as_it_was(store):
    batch_id = stored(store, 2)

    def fail(item):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.cancel("acc", batch_id, 2.0, fail)
    assert (store.num_waiting, store.get("acc", batch_id, 2.0).ended_at) == (2, None)
    assert stored(store), "the transaction is over"


def test_an_id_that_is_no_batchs_is_not_repeated_at_length(store):
    with pytest.raises(BatchNotFoundError) as caught:
        store.get("acc", "x" * 100_000, 1.0)
    assert len(str(caught.value)) < 200
    assert len(caught.value.metadata["batch_id"]) < 100
