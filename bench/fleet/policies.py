"""Who gets a request: policies of balancers, each as existing ones define it."""

import bisect
import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

import numpy as np

from bench.fleet.load import Request
from bench.fleet.replica import Replica

_POINTS = 100
_BOUND = 1.25


class Replicas(Protocol):
    """The replicas as a balancer sees them."""

    @property
    def everyone(self) -> Sequence[Replica]:
        """All of them, whether they serve or not."""
        ...

    @property
    def serving(self) -> Sequence[Replica]:
        """Those that serve, at least one."""
        ...

    @property
    def num_requests(self) -> int:
        """How many requests all have together."""
        ...


Policy = Callable[[Request, Replicas], Replica]
"""Chooses one that serves."""


def round_robin(random: np.random.Generator) -> Policy:
    """Each in turn."""
    turns = count()
    return lambda request, replicas: replicas.serving[next(turns) % len(replicas.serving)]


def least_request(random: np.random.Generator) -> Policy:
    """The one with fewer requests of two that are drawn at random, as Envoy does it (Mitzenmacher, 2001)."""

    def choose(request: Request, replicas: Replicas) -> Replica:
        first, second = random.integers(len(replicas.serving), size=2)
        return min(replicas.serving[first], replicas.serving[second], key=lambda replica: replica.num_requests)

    return choose


def prefix_affinity(random: np.random.Generator) -> Policy:
    """Consistent hashing of the conversation with bounded loads (Mirrokni et al., arXiv:1608.01350).

    A replica that has over 1.25 times the mean is passed over, and the next on the ring gets the request.
    """
    ring: list[tuple[int, int]] = []

    def choose(request: Request, replicas: Replicas) -> Replica:
        if not ring:
            ring.extend(_ring(len(replicas.everyone)))
        most = math.ceil(_BOUND * (1 + replicas.num_requests) / len(replicas.serving))
        start = bisect.bisect(ring, (_hash(f"session {request.session}"), -1))
        for step in range(len(ring)):
            replica = replicas.everyone[ring[(start + step) % len(ring)][1]]
            if replica.is_serving and replica.num_requests < most:
                return replica
        raise AssertionError("a replica that serves has at most the mean")

    return choose


POLICIES = {"round robin": round_robin, "least request": least_request, "prefix affinity": prefix_affinity}
"""By the name in the table; each is given a source of random numbers."""


def _ring(num_replicas: int) -> list[tuple[int, int]]:
    return sorted((_hash(f"{index} {point}"), index) for index in range(num_replicas) for point in range(_POINTS))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
