"""The order in which the accounts' items of batches are answered: in turn, one of each account in each turn."""

import sqlite3

_MAX_REMEMBERED = 1024


class Turns:
    """Numbers the turns of the items that a model is to answer.

    An account's items have one turn each, those after the last that the account has or, if that is past, from the turn
    on that is being answered. So an account that has many items waiting holds up those of others by one in each turn.

    Args:
        db: The file of the batches.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        rows = db.execute(
            "SELECT account, items.model, max(turn) FROM items JOIN batches ON batches.number = batch "
            "WHERE is_done = 0 GROUP BY account, items.model"
        )
        self._last: dict[tuple[str, str], int] = {(account, model): turn for account, model, turn in rows}

    def next(self, account: str, model: str) -> int:
        """The turn of the first of an account's new items for a model."""
        return max(self._current(model) or 1, self._last.get((account, model), 0) + 1)

    def took(self, account: str, model: str, last: int) -> None:
        """Takes note of the last turn that an account has."""
        if len(self._last) >= _MAX_REMEMBERED:
            current = {known: self._current(known) for known in {known for _, known in self._last}}
            self._last = {key: turn for key, turn in self._last.items() if turn >= (current[key[1]] or turn + 1)}
        self._last[account, model] = last

    def _current(self, model: str) -> int | None:
        """The first turn of which an item waits; None if none waits."""
        sought = "SELECT min(turn) FROM items WHERE model = ? AND is_done = 0"
        first: int | None = self._db.execute(sought, (model,)).fetchone()[0]
        return first
