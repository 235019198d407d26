"""What the engine's benchmarks ask for, and how the engine is asked."""

import itertools
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

import service.demo
from service.engine.engine import Engine
from service.engine.startup.build import build_engine
from service.engine.weights.load import load_model
from service.engine_protocol.engine_config import EngineConfig
from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import SamplingParams


@dataclass(frozen=True)
class Setup:
    """What is measured, and how often.

    Attributes:
        checkpoint: A folder with config.json and *.safetensors.
        device: "cpu", "cuda", ...
        dtype: The name of a torch dtype, or "auto" for the checkpoint's own.
        kv_cache_memory_mib: What the engine's KV cache takes.
        rounds: How often each way is measured, after a round that warms up.
    """

    checkpoint: Path = service.demo.CHECKPOINT
    device: str = "cpu"
    dtype: str = "float32"
    kv_cache_memory_mib: int = 512
    rounds: int = 7

    def load_model(self) -> PreTrainedModel:
        """The checkpoint's weights; each way that is measured needs its own, as some change them."""
        return load_model(self.checkpoint, self.device, self.dtype)

    def make_engine(self) -> Engine:
        """The engine as the service has it."""
        config = EngineConfig(self.checkpoint, self.device, self.dtype, kv_cache_memory_mib=self.kv_cache_memory_mib)
        return build_engine(self.load_model(), config)


@dataclass(frozen=True)
class TimedRequest:
    """A prompt of random tokens, how many tokens are to come, whichever they are, and when it arrives, in seconds."""

    prompt_token_ids: list[int]
    num_new_tokens: int
    arrival_s: float = 0.0

    @property
    def num_tokens(self) -> int:
        """Prompt and completion."""
        return len(self.prompt_token_ids) + self.num_new_tokens


Load = list[TimedRequest]
"""Requests in the order of their arrival."""


@dataclass(frozen=True)
class Served:
    """What came of a load.

    Attributes:
        token_ids: The completion of each request.
        finished_s: When each had come whole, in seconds since the first arrived.
        cpu_s: The process's CPU time meanwhile.
    """

    token_ids: list[list[int]]
    finished_s: list[float]
    cpu_s: float

    @property
    def rate(self) -> float:
        """Generated tokens per second."""
        return sum(map(len, self.token_ids)) / self.duration_s

    @property
    def duration_s(self) -> float:
        """From the first arrival to the last token."""
        return max(self.finished_s)


_salts = itertools.count()


def new_salt() -> str:
    """A cache salt that no run has had: what an earlier one left in the prefix cache is of no use with it."""
    return str(next(_salts))


def random_prompt(source: random.Random, length: int, vocab_size: int) -> list[int]:
    """Tokens of a prompt; the first ten ids, among which special tokens tend to be, are not among them."""
    return [source.randrange(10, vocab_size) for _ in range(length)]


def all_at_once(vocab_size: int, count: int, num_new_tokens: int) -> Load:
    """Requests of 16 to 128 prompt tokens in even steps, the same in every run; a single one has 64."""
    source = random.Random(0)
    lengths = [64] if count == 1 else [round(16 + 112 * place / (count - 1)) for place in range(count)]
    return [TimedRequest(random_prompt(source, length, vocab_size), num_new_tokens) for length in lengths]


def over_time(
    vocab_size: int, count: int, prompt_tokens: tuple[int, int], new_tokens: tuple[int, int], span_s: float
) -> Load:
    """Requests that arrive at random within `span_s` seconds, the first at 0: the same in every run, but for the span.

    Arrivals are independent and uniform, which is a Poisson process of which the number of arrivals is known. Lengths
    are uniform between both ends of `prompt_tokens` and of `new_tokens`.
    """
    source = random.Random(0)
    draws = sorted(source.random() for _ in range(count))
    arrivals_s = [(draw - draws[0]) * span_s for draw in draws]
    return [
        TimedRequest(
            random_prompt(source, source.randint(*prompt_tokens), vocab_size), source.randint(*new_tokens), arrival_s
        )
        for arrival_s in arrivals_s
    ]


def submit(engine: Engine, place: int, request: TimedRequest, salt: str) -> None:
    """Asks the engine, greedily and to the last token, under the request's place as its id."""
    params = SamplingParams(request.num_new_tokens)
    engine.submit(str(place), request.prompt_token_ids, params, cache_salt=salt)


def outputs_of(engine: Engine) -> list[StepOutput]:
    """The tokens of the engine's next step.

    Raises:
        RuntimeError: A request failed.
    """
    result = engine.step()
    if result.failed:
        raise RuntimeError(f"requests failed: {result.failed}")
    return result.outputs


def serve(engine: Engine, load: Load) -> Served:
    """Lets the engine serve requests as they arrive.

    Raises:
        RuntimeError: A request failed, or got another number of tokens than it asked for.
    """
    token_ids: list[list[int]] = [[] for _ in load]
    finished_s = [0.0] * len(load)
    pending, salt = deque(enumerate(load)), new_salt()
    begun_at, cpu_before_s = time.perf_counter(), time.process_time()
    while pending or engine.has_work:
        elapsed_s = time.perf_counter() - begun_at
        while pending and pending[0][1].arrival_s <= elapsed_s:
            place, request = pending.popleft()
            submit(engine, place, request, salt)
        if not engine.has_work:
            time.sleep(pending[0][1].arrival_s - elapsed_s)
        for output in outputs_of(engine):
            token_ids[int(output.id)].append(output.token_id)
            if output.finish_reason:
                finished_s[int(output.id)] = time.perf_counter() - begun_at
    served = Served(token_ids, finished_s, time.process_time() - cpu_before_s)
    check_lengths(load, served)
    return served


def check_lengths(load: Load, served: Served) -> None:
    """Raises RuntimeError unless every request got as many tokens as it asked for."""
    for place, (request, token_ids) in enumerate(zip(load, served.token_ids, strict=True)):
        if len(token_ids) != request.num_new_tokens:
            raise RuntimeError(f"request {place} got {len(token_ids)} tokens instead of {request.num_new_tokens}")


def share_equal(a: Served, b: Served) -> float:
    """The share of requests whose tokens are all equal."""
    equal = [one == other for one, other in zip(a.token_ids, b.token_ids, strict=True)]
    return sum(equal) / len(equal)


def idle_s(arrivals_s: Sequence[float], finished_s: Sequence[float]) -> float:
    """How long there was nothing to serve between the first arrival and the last end."""
    idle, busy_until_s = 0.0, min(arrivals_s)
    for arrival_s, end_s in sorted(zip(arrivals_s, finished_s, strict=True)):
        idle += max(0.0, arrival_s - busy_until_s)
        busy_until_s = max(busy_until_s, end_s)
    return idle
