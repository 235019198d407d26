"""Cases that go through the running service: over gRPC, and over REST with server-sent events."""

import random
import re
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import grpc
from runstream.v1 import text_generation_pb2_grpc

from bench.gpu.cases import DISCONNECT, GRPC_STREAMS, REST_FIRST, REST_STREAMS, Case
from bench.gpu.engine_cases import NUM_STREAM_ROUNDS
from bench.gpu.served_checkpoint import MODEL
from bench.serving.load import Ask, Question, Took, over_grpc, over_rest, run_clients
from bench.serving.server import Server
from service.engine_protocol.sampling_params import SamplingParams

_NUM_ALONE = 20
_NUM_WARM_UPS = 3
_MAX_ENDLESS_TOKENS = 4096
_NUM_EVENTS_READ = 4
_RUNNING = re.compile(r"^runstream_num_requests_running\{.*\} (\S+)$", re.MULTILINE)


class Client:
    """Asks a running server.

    Args:
        server: The server.
        metrics_url: Where the service's metrics are.
        channel: To the service.
        http: For all else.
    """

    def __init__(
        self, server: Server, metrics_url: str, channel: grpc.aio.Channel, http: aiohttp.ClientSession
    ) -> None:
        self._http, self._metrics_url = http, metrics_url
        self._run_url = f"{server.url}/client/v4/accounts/bench/ai/run/{MODEL}"
        self._grpc = over_grpc(text_generation_pb2_grpc.TextGenerationServiceStub(channel), MODEL)
        self._rest = over_rest(http, server.url, MODEL)
        self._source = random.Random(0)

    async def measure(self, case: Case) -> list[float]:
        """What `Case.kind` says, of each repetition."""
        measures: dict[str, Callable[[], Awaitable[list[float]]]] = {
            GRPC_STREAMS.name: lambda: self._rates(self._grpc, case),
            REST_STREAMS.name: lambda: self._rates(self._rest, case),
            REST_FIRST.name: lambda: self._first_tokens_s(case),
            DISCONNECT.name: lambda: self._drops_s(case),
        }
        return await measures[case.name]()

    def _question(self, case: Case, num_new_tokens: int) -> Question:
        """A prompt that nobody has asked before, a token for each letter."""
        text = "".join(self._source.choices(string.ascii_lowercase, k=case.num_tokens))
        return Question(text, [], SamplingParams(num_new_tokens))

    async def _rates(self, ask: Ask, case: Case) -> list[float]:
        """Tokens per second of streams that begin at once."""
        rates = []
        for _ in range(1 + NUM_STREAM_ROUNDS):
            streams = [[self._question(case, case.num_new_tokens)] for _ in range(case.num_sequences)]
            begun_at = time.perf_counter()
            took = await run_clients(ask, streams)
            rates.append(took.num_tokens / (time.perf_counter() - begun_at))
        return rates[1:]

    async def _first_tokens_s(self, case: Case) -> list[float]:
        """Seconds from a request to its first token, one request after the other."""
        took = Took()
        for _ in range(_NUM_WARM_UPS + _NUM_ALONE):
            await self._rest(self._question(case, case.num_new_tokens), took)
        return took.first_token_s[_NUM_WARM_UPS:]

    async def _drops_s(self, case: Case) -> list[float]:
        """Seconds from a client's going to metrics that count no request any more."""
        num_new_tokens = min(_MAX_ENDLESS_TOKENS, case.shape.max_position_embeddings - case.num_tokens)
        return [await self._drop_s(self._question(case, num_new_tokens)) for _ in range(_NUM_ALONE)]

    async def _drop_s(self, question: Question) -> float:
        body = {"prompt": question.text, "raw": True, "stream": True, "temperature": 0}
        async with self._http.post(self._run_url, json=body | {"max_tokens": question.params.max_tokens}) as response:
            response.raise_for_status()
            for _ in range(_NUM_EVENTS_READ):
                await response.content.readuntil(b"\n\n")
            left_at = time.perf_counter()
            response.close()
        async for num_running in self._running():
            if not num_running:
                break
        return time.perf_counter() - left_at

    async def _running(self) -> AsyncIterator[float]:
        """How many requests the service has handed to its engine, asked again and again."""
        while True:
            async with self._http.get(self._metrics_url) as response:
                yield sum(map(float, _RUNNING.findall(await response.text())))
