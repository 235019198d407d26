"""The load of `bench.serving`: the same requests by three ways, and what each of them takes."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from runstream.v1 import text_generation_pb2 as pb
from runstream.v1 import text_generation_pb2_grpc

from bench.engine.load import outputs_of
from service.engine.engine import Engine
from service.engine_protocol.messages import StepOutput
from service.engine_protocol.sampling_params import FinishReason, SamplingParams
from service.prompts.tokenizer import Chat

NUM_NEW_TOKENS = 64
TEMPERATURE = 5.0
"""The hottest there is: a model that is sure of itself ends its turn long before 64 tokens."""


@dataclass(frozen=True)
class Question:
    """A prompt of random tokens.

    Attributes:
        text: The prompt, to be taken as it is.
        prompt_token_ids: What the service makes of it.
        params: What the engine is told.
    """

    text: str
    prompt_token_ids: list[int]
    params: SamplingParams


Streams = list[list[Question]]
"""The questions of each client that asks one after the other; the clients ask at the same time."""


@dataclass
class Took:
    """What a load took.

    Attributes:
        first_token_s: How long each request waited for its first text, in seconds.
        num_tokens: How many tokens were generated.
        duration_s: How long it all took, in seconds.
        cpu_s: The CPU time of each process, in seconds.
    """

    first_token_s: list[float] = field(default_factory=list)
    num_tokens: int = 0
    duration_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.num_tokens / self.duration_s

    def add(self, first_token_s: float, num_tokens: int) -> None:
        """Counts one request."""
        self.first_token_s.append(first_token_s)
        self.num_tokens += num_tokens


Ask = Callable[[Question, Took], Awaitable[None]]


async def make_questions(chat: Chat, engine: Engine, vocab_size: int, count: int) -> list[Question]:
    """Prompts of 16 to 128 random tokens, the same in every run, whose completions do not end before their time.

    The engine answers candidates, and those stay that reach `NUM_NEW_TOKENS`: with its seed each does so again.
    """
    source = random.Random(0)
    questions: list[Question] = []
    while len(questions) < count:
        length = round(16 + 112 * len(questions) / count)
        text = chat.vocabulary.detokenizer().push(source.randrange(vocab_size // 4, vocab_size) for _ in range(length))
        prompt = pb.Prompt(text=text.replace("\ufffd", "?"), raw=True)
        prompt_token_ids = await chat.encode(pb.RunRequest(prompt=prompt))
        seed, eos_token_ids = source.randrange(1, 1 << 31), chat.eos_token_ids
        params = SamplingParams(NUM_NEW_TOKENS, temperature=TEMPERATURE, seed=seed, eos_token_ids=eos_token_ids)
        question = Question(prompt.text, prompt_token_ids, params)
        if _reaches_its_length(engine, question):
            questions.append(question)
    return questions


def _reaches_its_length(engine: Engine, question: Question) -> bool:
    engine.submit("candidate", question.prompt_token_ids, question.params)
    outputs: list[StepOutput] = []
    while engine.has_work:
        outputs += outputs_of(engine)
    return outputs[-1].finish_reason is FinishReason.LENGTH


def run_engine(engine: Engine, streams: Streams) -> Took:
    """Answers in this process, without pipes, text and wire."""
    took = Took()
    left = {str(number): deque(questions) for number, questions in enumerate(streams)}
    submitted_at: dict[str, float] = {}

    def submit(name: str) -> None:
        question = left[name].popleft()
        submitted_at[name] = time.perf_counter()
        engine.submit(name, question.prompt_token_ids, question.params)

    for name in left:
        submit(name)
    while engine.has_work:
        for output in outputs_of(engine):
            took.num_tokens += 1
            if output.id in submitted_at:
                took.first_token_s.append(time.perf_counter() - submitted_at.pop(output.id))
            if output.finish_reason and left[output.id]:
                submit(output.id)
    return took


async def run_clients(ask: Ask, streams: Streams) -> Took:
    """Lets a client for each stream ask its questions."""
    took = Took()

    async def client(questions: list[Question]) -> None:
        for question in questions:
            await ask(question, took)

    await asyncio.gather(*(client(questions) for questions in streams))
    return took


def _sampling(params: SamplingParams) -> dict[str, Any]:
    """What a question's parameters are called on the wire; a greedy one has no seed."""
    seed = {"seed": params.seed} if params.temperature else {}
    return {"max_tokens": params.max_tokens, "temperature": params.temperature, **seed}


def over_grpc(stub: "text_generation_pb2_grpc.TextGenerationServiceAsyncStub", model: str) -> Ask:
    """Asks the service."""

    async def ask(question: Question, took: Took) -> None:
        params = pb.SamplingParams(**_sampling(question.params))
        prompt = pb.Prompt(text=question.text, raw=True)
        asked_at, first_at, num_tokens = time.perf_counter(), 0.0, 0
        async for part in stub.RunStream(pb.RunRequest(model=model, prompt=prompt, sampling_params=params)):
            first_at = first_at or time.perf_counter()
            num_tokens = part.usage.completion_tokens
        took.add(first_at - asked_at, num_tokens)

    return ask


def over_rest(http: aiohttp.ClientSession, url: str, model: str) -> Ask:
    """Asks the bridge for server-sent events."""
    run_url = f"{url}/client/v4/accounts/bench/ai/run/{model}"

    async def ask(question: Question, took: Took) -> None:
        body = {"prompt": question.text, "raw": True, "stream": True, **_sampling(question.params)}
        asked_at, first_at, last = time.perf_counter(), 0.0, b""
        async with http.post(run_url, json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                first_at = first_at or time.perf_counter()
                last = line if line.startswith(b"data: {") else last
        took.add(first_at - asked_at, json.loads(last.removeprefix(b"data: "))["usage"]["completion_tokens"])

    return ask
