"""The simulation: traffic, a balancer, replicas that fail or are restarted, and what came of it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import simpy

from bench.fleet.hardware import Hardware
from bench.fleet.load import Conversations, Request, Traffic
from bench.fleet.policies import POLICIES
from bench.fleet.replica import Replica

_DRAIN_S = 30.0
_NUM_BATCHES = 5
_T_95 = 2.776  # Student's t of 4 degrees of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is simulated.

    Attributes:
        hardware: Each replica's.
        num_replicas: How many there are.
        requests_per_hour: How many requests come, at random.
        policy: A name in `POLICIES`.
        traffic: What requests are like.
        duration_s: For how long requests come.
        warm_up_s: Requests before that count for nothing.
        failures_per_hour: How often each replica dies, at random.
        is_rolling: Whether all replicas are restarted, one after the other, each drained first.
        seed: What the random numbers begin with.
        max_ttft_s, max_inter_token_s: Within these a request is answered well.
    """

    hardware: Hardware
    num_replicas: int
    requests_per_hour: float
    policy: str
    traffic: Traffic = field(default_factory=Traffic)
    duration_s: float = 180.0
    warm_up_s: float = 60.0
    failures_per_hour: float = 0.0
    is_rolling: bool = False
    seed: int = 0
    max_ttft_s: float = 1.0
    max_inter_token_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario.

    Attributes:
        num_requests: Requests that counted.
        ttft_p50_s, ttft_p99_s: Times to the first token.
        ttft_p99_margin_s: Half the 95 % confidence interval of the latter, by the means of five batches (Student's t).
        inter_token_p99_s: The 99th of a hundred mean times between tokens.
        goodput: The part of the requests that were answered well.
        failed: The part that was cut off after its first token.
        retried: The part that was sent to another replica.
        cached: The part of the prompts' tokens that was in a prefix cache.
        busy: The part of the time in which replicas computed.
        dollars_per_million: What a million requests that were answered well cost.
    """

    num_requests: int
    ttft_p50_s: float
    ttft_p99_s: float
    ttft_p99_margin_s: float
    inter_token_p99_s: float
    goodput: float
    failed: float
    retried: float
    cached: float
    busy: float
    dollars_per_million: float


class Fleet:
    """Replicas behind a balancer.

    Args:
        scenario: What is simulated.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._env = simpy.Environment()
        self._conversations = Conversations(scenario.traffic, scenario.seed)
        self._random = np.random.default_rng(scenario.seed + 1)
        self._requests: list[Request] = []
        self._homeless: list[Request] = []
        self._choose = POLICIES[scenario.policy](np.random.default_rng(scenario.seed + 2))
        self._busy = 0.0
        self._num_requests = 0
        self.everyone = [
            Replica(self._env, scenario.hardware, self._done, index) for index in range(scenario.num_replicas)
        ]
        self.serving = list(self.everyone)

    @property
    def num_requests(self) -> int:
        """How many requests all replicas have together."""
        return self._num_requests

    def run(self) -> Outcome:
        """Lets requests come, and all of them end."""
        arrivals = self._env.process(self._arrivals())
        if self._scenario.failures_per_hour:
            for replica in self.everyone:
                self._env.process(self._failures(replica))
        if self._scenario.is_rolling:
            self._env.process(self._rolling_restart())
        self._env.run(until=arrivals)
        self._busy = sum(replica.busy_s for replica in self.everyone) / (len(self.everyone) * self._env.now)
        # What still runs a while after the last arrival is as late as it is: it counts as not answered well.
        self._env.run(until=self._scenario.duration_s + 2 * _DRAIN_S)
        return self._outcome()

    def _arrivals(self) -> Generator[simpy.Event]:
        requests_per_s = self._scenario.requests_per_hour / 3600
        while self._env.now < self._scenario.duration_s:
            yield self._env.timeout(self._conversations.wait_s(requests_per_s))
            request = self._conversations.next(self._env.now)
            self._requests.append(request)
            self.send(request)

    def send(self, request: Request) -> None:
        """Gives a request to the replica that the policy chooses, or keeps it until one serves again."""
        if not self.serving:
            self._homeless.append(request)
            return
        replica = self._choose(request, self)
        self._num_requests += 1
        replica.submit(request)

    def _done(self, request: Request) -> None:
        self._num_requests -= 1
        if not request.is_failed:
            self._conversations.finish(request)

    def _failures(self, replica: Replica) -> Generator[simpy.Event]:
        mean_s = 3600 / self._scenario.failures_per_hour
        while True:
            yield self._env.timeout(self._random.exponential(mean_s))
            if replica.is_serving:
                self._take_out(replica)
                self._retry(replica.kill())
                yield from self._load(replica)

    def _rolling_restart(self) -> Generator[simpy.Event]:
        for replica in self.everyone:
            self._take_out(replica)
            deadline_s = self._env.now + _DRAIN_S
            while replica.num_requests and self._env.now < deadline_s:
                yield self._env.timeout(0.1)
            self._retry(replica.kill())
            yield from self._load(replica)

    def _take_out(self, replica: Replica) -> None:
        replica.is_serving = False
        self.serving = [other for other in self.serving if other is not replica]

    def _load(self, replica: Replica) -> Generator[simpy.Event]:
        yield self._env.timeout(self._scenario.hardware.load_s)
        replica.is_serving = True
        self.serving.append(replica)
        homeless, self._homeless = self._homeless, []
        for request in homeless:
            self.send(request)

    def _retry(self, requests: list[Request]) -> None:
        for request in requests:
            self._num_requests -= 1
            request.num_retries += 1
            self.send(request)

    def _outcome(self) -> Outcome:
        scenario = self._scenario
        counted = [it for it in self._requests if it.arrived_s >= scenario.warm_up_s]
        begun = [it for it in counted if it.first_token_s >= 0]
        ended = [it for it in begun if it.finished_s >= 0]
        well = [
            it for it in ended if it.ttft_s <= scenario.max_ttft_s and it.inter_token_s <= scenario.max_inter_token_s
        ]
        # Of one that has no token at the end this is the least that it can be.
        ttft_s = [it.ttft_s if it.first_token_s >= 0 else self._env.now - it.arrived_s for it in counted]
        hours = (scenario.duration_s - scenario.warm_up_s) / 3600
        cost = scenario.num_replicas * hours * scenario.hardware.price_per_hour
        return Outcome(
            num_requests=len(counted),
            ttft_p50_s=float(np.quantile(ttft_s, 0.5, method="higher")),
            ttft_p99_s=_p99(ttft_s),
            ttft_p99_margin_s=_margin([_p99(batch.tolist()) for batch in np.array_split(ttft_s, _NUM_BATCHES)]),
            inter_token_p99_s=_p99([it.inter_token_s for it in ended] or [0.0]),
            goodput=len(well) / len(counted),
            failed=sum(it.is_failed for it in counted) / len(counted),
            retried=sum(it.num_retries > 0 for it in counted) / len(counted),
            cached=sum(it.num_cached_tokens for it in begun) / max(1, sum(it.num_prompt_tokens for it in begun)),
            busy=self._busy,
            dollars_per_million=1e6 * cost / max(1, len(well)),
        )


def _p99(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.99, method="higher"))


def _margin(batches: Sequence[float]) -> float:
    return _T_95 * float(np.std(batches, ddof=1)) / len(batches) ** 0.5
