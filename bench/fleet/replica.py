"""One replica: continuous batching as the engine does it, without computing anything."""

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

import simpy

from bench.fleet.hardware import Hardware
from bench.fleet.load import Request


@dataclass(slots=True)
class _Prefilling:
    """A request whose prompt is not computed yet, with the tokens that are left of it."""

    request: Request
    num_left: int


class Replica:
    """Serves what it is given, in order of arrival: sequences that decode first, then prompts by the chunk.

    Args:
        env: The simulation.
        hardware: What it runs on.
        done: Is told of each request that has ended, also of one that was cut off.
        index: Which of the fleet's it is.

    Attributes:
        index: The same.
        is_serving: Whether new requests may be sent to it.
        num_requests: How many it has, waiting and running.
        busy_s: For how long it has computed.
    """

    def __init__(
        self, env: simpy.Environment, hardware: Hardware, done: Callable[[Request], None], index: int = 0
    ) -> None:
        self.index = index
        self._env, self._hardware, self._done = env, hardware, done
        self._waiting: deque[Request] = deque()
        self._prefilling: deque[_Prefilling] = deque()
        self._decoding: list[tuple[int, int, Request]] = []  # a heap: the step that ends it, a number of its own, it
        self._num_steps = self._num_begun = 0
        self._num_context = 0  # tokens of those that decode
        self._prefixes: OrderedDict[int, int] = OrderedDict()
        self._num_cached = self._num_reserved = 0
        self._wake = env.event()
        env.process(self._serve())
        self.is_serving = True
        self.busy_s = 0.0

    @property
    def num_requests(self) -> int:
        """Requests that wait or run here."""
        return len(self._waiting) + self._num_running

    @property
    def _num_running(self) -> int:
        return len(self._prefilling) + len(self._decoding)

    def submit(self, request: Request) -> None:
        """Takes a request."""
        self._waiting.append(request)
        if not self._wake.triggered:
            self._wake.succeed()

    def kill(self) -> list[Request]:
        """Loses everything; returns the requests that had no token yet, which may be sent elsewhere."""
        untouched = [*self._waiting, *(item.request for item in self._prefilling)]
        lost = [request for _, _, request in self._decoding]
        self._waiting, self._prefilling, self._decoding = deque(), deque(), []
        self._prefixes.clear()
        self._num_cached = self._num_reserved = self._num_context = 0
        for request in lost:
            request.is_failed = True
            self._done(request)
        return untouched

    def _serve(self) -> Generator[simpy.Event]:
        while True:
            self._admit()
            if not self._num_running:
                self._wake = self._env.event()
                yield self._wake
                continue
            yield from self._step()

    def _admit(self) -> None:
        while self._waiting and self._num_running < self._hardware.max_num_seqs:
            request = self._waiting[0]
            num_tokens = request.num_prompt_tokens + request.num_completion_tokens
            if self._num_running and self._num_reserved + num_tokens > self._hardware.num_kv_tokens:
                return
            self._waiting.popleft()
            self._num_reserved += num_tokens
            request.num_cached_tokens = min(self._take_prefix(request.session), request.num_prompt_tokens - 1)
            self._prefilling.append(_Prefilling(request, request.num_prompt_tokens - request.num_cached_tokens))
            self._evict()

    def _step(self) -> Generator[simpy.Event]:
        """One step with prompts in it, or as many as change nothing but the lengths of what decodes."""
        num_decoding = len(self._decoding)
        num_prefill, prefilled = self._prefill(self._hardware.max_num_batched_tokens - num_decoding)
        num_steps = 1 if num_prefill else self._decoding[0][0] - self._num_steps
        # Keys and values grow by a token for each sequence and step: the middle step stands for all.
        middle = self._num_context + num_decoding * (num_steps - 1) // 2
        step_s = self._hardware.step_s(middle, num_prefill)
        begun_s = self._env.now
        if num_steps > 1:
            num_steps = yield from self._several(num_steps, step_s)
        else:
            yield self._env.timeout(step_s)
        self.busy_s += self._env.now - begun_s
        self._num_steps += num_steps
        self._num_context += len(self._decoding) * num_steps
        for item in prefilled:
            self._begin(item)
        while self._decoding and self._decoding[0][0] <= self._num_steps:
            self._end(heapq.heappop(self._decoding)[2])

    def _several(self, num_steps: int, step_s: float) -> Generator[simpy.Event, object, int]:
        """Waits for steps, or until a request comes; returns how many were done, the one under way included."""
        begun_s, self._wake = self._env.now, self._env.event()
        yield self._env.timeout(num_steps * step_s) | self._wake
        if not self._wake.triggered:
            return num_steps
        done = min(num_steps, int((self._env.now - begun_s) / step_s) + 1)
        yield self._env.timeout(max(0.0, begun_s + done * step_s - self._env.now))
        return done

    def _prefill(self, budget: int) -> tuple[int, list[_Prefilling]]:
        """Takes what fits a step from the prompts, in their order; returns how much, and those that are then whole."""
        num_prefill, whole = 0, []
        for item in self._prefilling:
            count = min(budget - num_prefill, item.num_left)
            if count <= 0:
                break
            item.num_left -= count
            num_prefill += count
            if not item.num_left:
                whole.append(item)
        return num_prefill, whole

    def _begin(self, item: _Prefilling) -> None:
        if not self._prefilling or self._prefilling[0] is not item:
            return  # the replica was killed meanwhile
        self._prefilling.popleft()
        request = item.request
        request.first_token_s = self._env.now
        self._num_begun += 1
        self._num_context += request.num_prompt_tokens
        end = self._num_steps + request.num_completion_tokens - 1
        heapq.heappush(self._decoding, (end, self._num_begun, request))

    def _end(self, request: Request) -> None:
        request.finished_s = self._env.now
        num_tokens = request.num_prompt_tokens + request.num_completion_tokens
        self._num_reserved -= num_tokens
        self._num_context -= num_tokens - 1
        self._keep_prefix(request.session, num_tokens)
        self._done(request)

    def _take_prefix(self, session: int) -> int:
        count = self._prefixes.pop(session, 0)
        self._num_cached -= count
        return count

    def _keep_prefix(self, session: int, num_tokens: int) -> None:
        """Keeps a conversation's keys and values in what running requests leave free; the oldest goes first."""
        self._take_prefix(session)
        self._prefixes[session] = num_tokens
        self._num_cached += num_tokens
        self._evict()

    def _evict(self) -> None:
        while self._prefixes and self._num_cached + self._num_reserved > self._hardware.num_kv_tokens:
            _, count = self._prefixes.popitem(last=False)
            self._num_cached -= count
