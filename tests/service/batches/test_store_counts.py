"""Whatever is done with a store in whatever order, its counts are those of its items."""

from hypothesis import given
from hypothesis import strategies as st

from service.batches.records import NewBatch, NewItem
from service.batches.store import BatchStore
from service.errors import BatchNotFoundError

TTL_S = 5.0
ACTIONS = st.sampled_from(["create", "again", "begin", "succeed", "fail", "cancel", "delete", "expire", "reopen"])


class Life:
    """A store, and the ids of what was ever created in it, on a clock that moves with each action."""

    def __init__(self, path):
        self.path, self.now, self.ids = path, 0.0, []
        self.store = BatchStore(path, TTL_S)

    def act(self, action, chosen):
        """Does one thing, with the batch or item that a number chooses."""
        self.now += 1.0
        store, waiting = self.store, self.store.waiting(["model"], (), 100)
        if action in ("create", "again"):
            new = NewBatch("acc", "model", [NewItem(None, b"")] * (1 + chosen % 3), "id" * (action == "again"), b"same")
            self.ids.append(store.create(new, self.now).id)
        elif action == "expire":
            store.delete_expired(self.now)
        elif action == "reopen":
            store.close()
            self.store = BatchStore(self.path, TTL_S)
        elif action in ("cancel", "delete") and self.ids:
            self._end(action, self.ids[chosen % len(self.ids)])
        elif action == "begin" and waiting:
            assert store.begin(waiting[chosen % len(waiting)])
        elif waiting:
            item = waiting[chosen % len(waiting)]
            assert store.finish(item, b"", self.now, has_succeeded=action == "succeed")
            assert not store.finish(item, b"", self.now, has_succeeded=True)

    def _end(self, action, batch_id):
        try:
            if action == "cancel":
                self.store.cancel("acc", batch_id, self.now, lambda _: b"")
            else:
                self.store.delete("acc", batch_id, self.now)
        except BatchNotFoundError:
            self.ids.remove(batch_id)

    def check(self):
        """Compares what the store says with what its items are."""
        rows = self.store._db.execute(
            "SELECT id, num_items, num_items - num_succeeded - num_failed, ended_at IS NULL, count(items.number), "
            "sum(is_done = 0) FROM batches JOIN items ON batch = batches.number GROUP BY batches.number"
        ).fetchall()
        for _, num_items, num_waiting, has_not_ended, num_stored, num_not_done in rows:
            assert (num_items, num_waiting, bool(num_waiting)) == (num_stored, num_not_done, bool(has_not_ended))
        assert self.store.num_waiting == sum(row[5] for row in rows)
        listed = self.store.page("acc", None, 100, self.now)
        assert self.store.num_waiting == sum(record.num_waiting for record in listed), "what waits never expires"


@given(st.lists(st.tuples(ACTIONS, st.integers(0, 9)), max_size=25))
def test_counts_are_those_of_the_items(tmp_path_factory, actions):
    life = Life(tmp_path_factory.mktemp("life") / "batches.sqlite")
    for action, chosen in actions:
        life.act(action, chosen)
        life.check()
    life.store.close()
