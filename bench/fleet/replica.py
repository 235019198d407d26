"""One replica: continuous batching as the engine does it, without computing anything."""

from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

import simpy

from bench.fleet.hardware import Hardware
from bench.fleet.load import Request


@dataclass(slots=True)
class _Running:
    """A request with its place in the batch."""

    request: Request
    num_to_prefill: int
    num_left: int
    num_context: int


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
        self._running: list[_Running] = []
        self._prefixes: OrderedDict[int, int] = OrderedDict()
        self._num_cached = self._num_reserved = 0
        self._wake = env.event()
        env.process(self._serve())
        self.is_serving = True
        self.busy_s = 0.0

    @property
    def num_requests(self) -> int:
        """Requests that wait or run here."""
        return len(self._waiting) + len(self._running)

    def submit(self, request: Request) -> None:
        """Takes a request."""
        self._waiting.append(request)
        if not self._wake.triggered:
            self._wake.succeed()

    def kill(self) -> list[Request]:
        """Loses everything; returns the requests that had no token yet, which may be sent elsewhere."""
        lost, self._running = self._running, []
        untouched, self._waiting = list(self._waiting), deque()
        self._prefixes.clear()
        self._num_cached = self._num_reserved = 0
        for item in lost:
            if item.request.first_token_s < 0:
                untouched.append(item.request)
            else:
                item.request.is_failed = True
                self._done(item.request)
        return untouched

    def _serve(self) -> Generator[simpy.Event]:
        while True:
            self._admit()
            if not self._running:
                self._wake = self._env.event()
                yield self._wake
                continue
            yield from self._step()

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._hardware.max_num_seqs:
            request = self._waiting[0]
            num_tokens = request.num_prompt_tokens + request.num_completion_tokens
            if self._running and self._num_reserved + num_tokens > self._hardware.num_kv_tokens:
                return
            self._waiting.popleft()
            self._num_reserved += num_tokens
            cached = min(self._take_prefix(request.session), request.num_prompt_tokens - 1)
            request.num_cached_tokens = cached
            to_prefill = request.num_prompt_tokens - cached
            self._running.append(_Running(request, to_prefill, request.num_completion_tokens, cached))
            self._evict()

    def _step(self) -> Generator[simpy.Event]:
        """One step with prompts in it, or as many as change nothing but the lengths of what decodes."""
        decoding = [item for item in self._running if item.num_to_prefill == 0]
        num_context = sum(item.num_context for item in decoding)
        chunks = self._chunks(self._hardware.max_num_batched_tokens - len(decoding))
        num_prefill = sum(count for _, count in chunks)
        num_steps = 1 if chunks else min(item.num_left for item in decoding)
        # Keys and values grow by a token for each sequence and step: the middle step stands for all.
        middle = num_context + len(decoding) * (num_steps - 1) // 2
        step_s = self._hardware.step_s(middle, num_prefill)
        if num_steps > 1:
            num_steps = yield from self._several(num_steps, step_s)
        else:
            yield self._env.timeout(step_s)
        self.busy_s += num_steps * step_s
        self._advance(decoding, chunks, num_steps)

    def _several(self, num_steps: int, step_s: float) -> Generator[simpy.Event, object, int]:
        """Waits for steps, or until a request comes; returns how many were done, the one under way included."""
        begun_s, self._wake = self._env.now, self._env.event()
        yield self._env.timeout(num_steps * step_s) | self._wake
        if not self._wake.triggered:
            return num_steps
        done = min(num_steps, int((self._env.now - begun_s) / step_s) + 1)
        yield self._env.timeout(max(0.0, begun_s + done * step_s - self._env.now))
        return done

    def _chunks(self, budget: int) -> list[tuple[_Running, int]]:
        chunks = []
        for item in self._running:
            if item.num_to_prefill and budget > 0:
                count = min(budget, item.num_to_prefill)
                budget -= count
                chunks.append((item, count))
        return chunks

    def _advance(self, decoding: list[_Running], chunks: list[tuple[_Running, int]], num_steps: int) -> None:
        present = set(map(id, self._running))  # a replica that was killed meanwhile has none of them
        for item in decoding:
            item.num_left -= num_steps
            item.num_context += num_steps
        for item, count in chunks:
            item.num_to_prefill -= count
            item.num_context += count
            if item.num_to_prefill == 0 and id(item) in present:
                item.request.first_token_s = self._env.now
                item.num_left -= 1
        ended = [item for item in self._running if item.num_to_prefill == 0 and item.num_left <= 0]
        self._running = [item for item in self._running if item not in ended]
        for item in ended:
            self._end(item.request)

    def _end(self, request: Request) -> None:
        request.finished_s = self._env.now
        num_tokens = request.num_prompt_tokens + request.num_completion_tokens
        self._num_reserved -= num_tokens
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
