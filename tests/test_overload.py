"""Many more requests than the service can answer, through the real bridge and service; the engine has a fixed pace."""

import asyncio
import sys
from collections import Counter

import aiohttp
import grpc
import pytest
from google.rpc import error_details_pb2
from runstream.v1 import text_generation_pb2 as pb

from bridge.config import Config
from tests.support.checkpoints import save_tiny_model
from tests.support.engine_states import until
from tests.support.running_bridge import running_bridge
from tests.support.running_service import MODEL, config, details, error_info, run_service, write_catalog
from tests.support.tokenizers import byte_level_tokenizer, save_tokenizer

# Four places, 100 tokens each second, 10 for an answer: 10 answers each second.
ENGINE = (sys.executable, "-m", "bench.serving.scripted_engine", "--tokens-per-s", "100")
NUM_CLIENTS = 40
DEADLINE_S = 2.0


@pytest.fixture
async def service(tmp_path):
    save_tiny_model(tmp_path / "tiny", vocab_size=512, max_position_embeddings=32_768)
    save_tokenizer(tmp_path / "tiny", byte_level_tokenizer(512))
    settings = config(write_catalog(tmp_path), engine_command=ENGINE, max_num_seqs=4, max_waiting=1000)
    async with run_service(settings) as running:
        yield running


@pytest.fixture
async def bridge(service):
    settings = Config(service=f"127.0.0.1:{service.service.port}", deadline_s=DEADLINE_S)
    async with running_bridge(settings) as running:
        yield running


async def flood(ask, num_requests: int) -> None:
    """Lets clients ask until so many requests were made, each as soon as it has its answer."""
    left = iter(range(num_requests))

    async def client() -> None:
        for _ in left:
            await ask()

    async with asyncio.TaskGroup() as group:
        for _ in range(NUM_CLIENTS):
            group.create_task(client())


def question(**fields) -> pb.RunRequest:
    params = pb.SamplingParams(max_tokens=10)
    return pb.RunRequest(model=MODEL, prompt=pb.Prompt(text="word", raw=True), sampling_params=params, **fields)


async def assert_nothing_is_left(service) -> None:
    assert await service.is_idle()
    assert service.engine.num_waiting == 0


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_over_http_everyone_gets_an_answer_or_a_refusal_with_retry_after(service, bridge, is_streamed):
    ends: Counter[str | int] = Counter()
    body = {"prompt": "word", "raw": True, "max_tokens": 10, "stream": is_streamed}
    url = f"{bridge.url}/client/v4/accounts/acc/ai/run/{MODEL}"

    async def ask() -> None:
        async with http.post(url, json=body) as answer:
            text = await answer.text()
            ends[answer.status] += 1
            if answer.status == 200 and is_streamed:
                assert text.endswith("[DONE]\n\n") or '"code":3046' in text
            assert (answer.status == 429) == ("Retry-After" in answer.headers)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await flood(ask, 400)
        # Late are some of the first: nothing was measured when they came.
        assert {200, 429} <= set(ends) <= {200, 429, 408}
        await assert_nothing_is_left(service)
        while ends[200] < 30:  # whatever was remembered, it is over: one after the other comes in
            await ask()
    await assert_nothing_is_left(service)


async def test_over_grpc_everyone_gets_an_answer_or_a_refusal_with_retry_info(service):
    ends: Counter[str | int] = Counter()

    async def ask() -> None:
        try:
            await service.text_generation.Run(question(), timeout=DEADLINE_S)
            ends["answer"] += 1
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return
            reason = error_info(error).reason
            ends[reason] += 1
            retry = details(error, error_details_pb2.RetryInfo)
            assert isinstance(retry, error_details_pb2.RetryInfo)
            assert 1 <= retry.retry_delay.seconds <= 60

    await flood(ask, 400)
    assert set(ends) == {"answer", "QUEUE_FULL"}
    await assert_nothing_is_left(service)
    await ask()
    assert ends["answer"] > 1


async def test_a_waiting_call_whose_deadline_passes_leaves_the_queue_and_never_runs(service):
    long = pb.SamplingParams(max_tokens=30_000)
    streams = [
        service.text_generation.RunStream(pb.RunRequest(model=MODEL, prompt=question().prompt, sampling_params=long))
        for _ in range(4)
    ]
    for stream in streams:
        await stream.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.text_generation.Run(question(), timeout=0.5)
    assert caught.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    await until(service.engine, lambda: service.engine.num_waiting == service.engine.stats.num_waiting == 0)
    assert service.engine.num_running == 4
    for stream in streams:
        stream.cancel()
    await assert_nothing_is_left(service)
