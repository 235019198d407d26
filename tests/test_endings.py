"""Every way in which a request ends, through the whole chain: one end at the client, all blocks free in the engine.

The fixture `chain` looks after each test whether the blocks are free.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import error_info
from tests.support.whole_chain import LONG, POISON, read_events, run_whole_chain, to_request

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGINE_FAILED = "AiError: AiError: The engine failed while it was running this request. "
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
MAX_NUM_SEQS, MAX_WAITING = 16, 4


# Over gRPC; accounts wait apart, so it is that of the path over REST.
ACCOUNT = (("x-runstream-account", "acc"),)


async def json_answer(chain, body):
    """Asks over REST for a whole answer."""
    return await chain.ask(**body)


async def server_sent_events(chain, body):
    """Asks over REST for a stream."""
    return await chain.ask(**body, stream=True)


async def run(chain, body):
    """Asks over gRPC for a whole answer."""
    return await chain.service.text_generation.Run(to_request(body), metadata=ACCOUNT)


async def run_stream(chain, body):
    """Asks over gRPC for a stream."""
    return [part async for part in chain.service.text_generation.RunStream(to_request(body), metadata=ACCOUNT)]


every_face = pytest.mark.parametrize("face", [json_answer, server_sent_events, run, run_stream])


@contextlib.asynccontextmanager
async def busy_engine(chain, num_waiting=0):
    """Keeps the engine full, and as many requests waiting as asked for."""
    stub = chain.service.text_generation
    calls = [stub.RunStream(to_request(LONG), metadata=ACCOUNT) for _ in range(MAX_NUM_SEQS + num_waiting)]
    try:
        full = (MAX_NUM_SEQS, num_waiting)
        await chain.until(lambda: (chain.engine.stats.num_running, chain.engine.stats.num_waiting) == full)
        yield calls
    finally:
        for call in calls:
            call.cancel()


async def until_all_are_let_in(chain):
    """Asks until nobody is refused: the bridge remembers that there was no room, and lets more in bit by bit."""
    statuses = [429]
    while 429 in statuses:
        asking = (json_answer(chain, {**LONG, "max_tokens": 1}) for _ in range(MAX_NUM_SEQS + 1))
        statuses = [answer.status for answer in await asyncio.gather(*asking)]
    assert statuses == [200] * (MAX_NUM_SEQS + 1)


async def hang_up(asking):
    """Leaves without waiting for the answer."""
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def rest_of(response):
    """Reads a stream, of which the first event is read, to its end."""
    return read_events(b'data: {"response":"first"}\n\n' + await response.read())


def splits(texts):
    """A text, how many tokens make the next, and of that the characters on both sides of where the last one begins."""
    for num_tokens, (before, after) in enumerate(itertools.pairwise(texts), 2):
        if before and after.startswith(before) and after != before:
            yield before, num_tokens, after[len(before) - 1 : len(before) + 1]


@every_face
async def test_a_client_that_hangs_up_while_its_request_waits(chain, face):
    async with busy_engine(chain):
        asking = asyncio.create_task(face(chain, LONG))
        await chain.until(lambda: chain.engine.stats.num_waiting == 1)
        await hang_up(asking)
        await chain.until(lambda: chain.engine.stats.num_waiting == 0)
        assert chain.engine.stats.num_running == MAX_NUM_SEQS


@every_face
async def test_a_client_that_hangs_up_while_its_prompt_is_computed(chain, face):
    chain.steps.clear()
    asking = asyncio.create_task(face(chain, {**LONG, "prompt": face.__name__ + "x" * 7_000}))
    await chain.until(lambda: chain.engine.num_running == 1)
    with chain.frozen_engine():
        await hang_up(asking)
        await chain.until_dropped()
    await chain.until(lambda: any(step.aborted for step in chain.steps))
    assert not any(step.outputs for step in chain.steps), "the prompt was not computed to its end"


@every_face
async def test_a_client_that_hangs_up_while_tokens_come(chain, face):
    chain.steps.clear()
    asking = asyncio.create_task(face(chain, LONG))
    await chain.until(lambda: any(step.outputs for step in chain.steps))
    await hang_up(asking)
    await chain.until(lambda: any(step.aborted for step in chain.steps))
    assert chain.engine.stats.num_running == 0


async def test_a_stream_that_is_closed_in_the_midst(chain):
    (await chain.begin(**LONG)).close()
    await chain.until_idle()


async def test_max_tokens_ends_a_completion(chain):
    body = {**LONG, "max_tokens": 7}
    whole = await run(chain, body)
    assert (whole.finish_reason, whole.usage.completion_tokens) == (pb.FINISH_REASON_LENGTH, 7)
    assert json.loads((await json_answer(chain, body)).body)["result"]["usage"]["completion_tokens"] == 7
    assert read_events((await server_sent_events(chain, body)).body).usage["completion_tokens"] == 7


async def test_a_stop_sequence_split_over_tokens_ends_a_completion_at_every_face(chain):
    texts = [(await run(chain, {**LONG, "max_tokens": num_tokens})).text for num_tokens in range(1, 40)]
    before, num_tokens, stop = next(split for split in splits(texts) if split[0].find(split[2]) < 0)
    body = {**LONG, "stop": [stop]}
    chain.steps.clear()
    whole, parts = await run(chain, body), await run_stream(chain, body)
    for answer in (whole, parts[-1]):
        assert (answer.finish_reason, answer.matched_stop) == (pb.FINISH_REASON_STOP, stop)
        assert answer.usage.completion_tokens == num_tokens
    assert whole.text == "".join(part.text for part in parts) == before.removesuffix(stop[0])
    result = json.loads((await json_answer(chain, body)).body)["result"]
    assert (result["response"], result["usage"]["completion_tokens"]) == (whole.text, num_tokens)
    events = read_events((await server_sent_events(chain, {**body, "stop": stop})).body)
    assert ("".join(events.texts), events.usage["completion_tokens"]) == (whole.text, num_tokens)
    await chain.until(lambda: sum(len(step.aborted) for step in chain.steps) == 4)
    assert chain.engine.stats.num_running == 0


async def test_an_end_of_sequence_token_ends_a_completion(chain):
    for seed in range(1, 100):
        body = {**LONG, "temperature": 5, "seed": seed, "max_tokens": 300}
        whole = await run(chain, body)
        if whole.finish_reason == pb.FINISH_REASON_STOP:
            break
    assert whole.usage.completion_tokens < 300
    events = read_events((await server_sent_events(chain, body)).body)
    assert events.usage["completion_tokens"] == whole.usage.completion_tokens
    assert "".join(events.texts) == whole.text


async def test_the_deadline_of_a_grpc_client(chain):
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await chain.service.text_generation.Run(to_request(LONG), timeout=0.5)
    assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_bridges_deadline_before_and_in_the_midst_of_an_answer(chain):
    async with chain.with_bridge(deadline_s=1.5) as hasty:
        asking = asyncio.create_task(json_answer(hasty, LONG))
        events = await rest_of(await hasty.begin(**LONG))
        answer = await asking
    assert answer.error == (408, 3046, "AiError: AiError: Request timeout")
    assert answer.headers["x-should-retry"] == "false"
    assert events.error[0] == 3046


async def test_a_full_queue_refuses_at_every_face(chain):
    async with busy_engine(chain, num_waiting=MAX_WAITING):
        for face in (json_answer, server_sent_events):
            answer = await face(chain, LONG)
            message = "AiError: AiError: Capacity temporarily exceeded, please try again."
            assert answer.error == (429, 3040, message)
            assert answer.headers["Retry-After"] == "1"
        for face in (run, run_stream):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await face(chain, LONG)
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert error_info(refused.value).reason == "QUEUE_FULL"
    await until_all_are_let_in(chain)


async def test_a_request_that_fails_in_the_engine_says_why_and_leaves_its_neighbours(chain):
    engine_pid = chain.engine.pid
    stream = asyncio.create_task(rest_of(await chain.begin(**{**LONG, "max_tokens": 300})))
    poisoned = await json_answer(chain, {"prompt": POISON, "raw": True})
    status, code, message = poisoned.error
    assert (status, code) == (500, 5000)
    assert "gave no valid probabilities" in message
    assert poisoned.headers["x-should-retry"] == "false"
    streamed = await server_sent_events(chain, {"prompt": POISON, "raw": True})
    assert streamed.error[:2] == (500, 5000), "nothing was sent, so the status can still tell"
    assert (await stream).usage["completion_tokens"] == 300
    assert chain.engine.pid == engine_pid


async def test_a_killed_engine_ends_what_ran_answers_what_waited_and_comes_back(chain):
    health = chain.service.health.Watch(health_pb2.HealthCheckRequest())
    assert (await health.read()).status == SERVING
    streams = await asyncio.gather(*(chain.begin(**LONG) for _ in range(MAX_NUM_SEQS)))
    waiting = asyncio.create_task(json_answer(chain, {**LONG, "max_tokens": 3}))
    await chain.until(lambda: chain.engine.stats.num_waiting == 1)
    os.kill(chain.engine.pid, signal.SIGKILL)
    for stream in streams:
        code, message = (await rest_of(stream)).error
        request_id = stream.headers["cf-ai-req-id"]
        assert (code, message.startswith(ENGINE_FAILED), message.endswith(f" ({request_id})")) == (5000, True, True)
    assert (await health.read()).status == NOT_SERVING
    assert (await chain.bridge.ask("GET", "/readyz")).status == 503
    assert (await health.read()).status == SERVING
    assert (await chain.bridge.ask("GET", "/readyz")).status == 200
    assert (await waiting).status == 200
    assert (await json_answer(chain, {**LONG, "max_tokens": 3})).status == 200
    health.cancel()


async def test_a_drain_lets_running_answers_end_and_tells_those_that_it_ends(chain_catalog):
    async with run_whole_chain(chain_catalog) as chain:
        short, long = await asyncio.gather(chain.begin(**{**LONG, "max_tokens": 300}), chain.begin(**LONG))
        stopping = asyncio.create_task(chain.service.service.stop(drain_timeout_s=60))
        await asyncio.sleep(0)
        refused = await json_answer(chain, LONG)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
        assert (await rest_of(short)).usage["completion_tokens"] == 300
        await chain.service.service.calls.drain(timeout_s=0)
        assert (await rest_of(long)).error[0] == 3040
        await stopping
