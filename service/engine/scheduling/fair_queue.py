"""Sequences that wait: those of an account in their order, the accounts in turn."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator

from service.engine.scheduling.sequence import Sequence


class FairQueue:
    """The waiting sequences of one priority, of which no account can keep those of another from running.

    The account that has the fewest running sequences is next. Of several, the one whose last turn is longest ago.
    """

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[Sequence]] = OrderedDict()  # in the order of the accounts' turns

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[Sequence]:
        for queue in self._queues.values():
            yield from queue

    def append(self, sequence: Sequence) -> None:
        """Puts a sequence behind the others of its account."""
        self._queues.setdefault(sequence.account, deque()).append(sequence)

    def put_back(self, sequence: Sequence) -> None:
        """Puts a sequence that has run before the others of its account, and its account before the others."""
        self._queues.setdefault(sequence.account, deque()).appendleft(sequence)
        self._queues.move_to_end(sequence.account, last=False)

    def next(self, running: Iterable[Sequence]) -> Sequence:
        """The sequence whose turn it is; it stays in the queue.

        Args:
            running: The sequences that run.

        Raises:
            LookupError: None waits.
        """
        if len(self._queues) > 1:
            num_running = Counter(sequence.account for sequence in running)
            account = min(self._queues, key=lambda account: num_running[account])
        else:
            account = next(iter(self._queues), "")
        return self._queues[account][0]

    def pop(self, sequence: Sequence) -> None:
        """Takes out a sequence that is about to run; its account's turn is over."""
        self.remove(sequence)
        if sequence.account in self._queues:
            self._queues.move_to_end(sequence.account)

    def remove(self, sequence: Sequence) -> None:
        """Takes out a sequence, wherever it waits.

        Raises:
            LookupError, ValueError: It does not wait.
        """
        queue = self._queues[sequence.account]
        queue.remove(sequence)
        if not queue:
            del self._queues[sequence.account]


def newest_beyond_one(sequence: Sequence, running: list[Sequence]) -> Sequence | None:
    """The sequence whose place one may take whose account has none running: the newest of the account with most.

    Args:
        sequence: It waits.
        running: Those of its priority that run, oldest first.

    Returns:
        None if its account has one running, or no other has several.
    """
    num_running = Counter(each.account for each in running)
    if not num_running or num_running[sequence.account]:
        return None
    account, most = num_running.most_common(1)[0]
    return next(each for each in reversed(running) if each.account == account) if most > 1 else None
