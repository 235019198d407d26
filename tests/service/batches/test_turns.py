"""The turns of many accounts."""

from service.batches.file import open_file
from service.batches.turns import Turns


def test_accounts_without_waiting_items_are_forgotten(tmp_path):
    db = open_file(tmp_path / "batches.sqlite")
    turns = Turns(db)
    for number in range(2000):
        turns.took(f"account {number}", "model", 1)
    assert len(turns._last) <= 1024
    db.close()
