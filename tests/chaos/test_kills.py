"""kill -9 of each kind of process under load: everybody hears an end, then it serves again, with the same answers."""

import asyncio
import os
import signal
import statistics
import time

import psutil
import pytest
import pytest_asyncio

from tests.support.chaos_load import ANSWERED, LOST, PATIENCE_S, TOLD, asking, until_idle
from tests.support.separate_stack import separate_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG, SHORT = 900, 12
NUMBERS = range(2)
MODEL = "@runstream/demo"
each_number_of_rounds = pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=pytest.mark.stress)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack():
    """Bridge and service, each of which may be killed."""
    with separate_stack() as stack:
        stack.start_service()
        stack.start_bridge()
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def asker(stack):
    """Clients of the stack."""
    async with asking(stack) as asker:
        yield asker


async def answers_of(asker):
    """What each way gives for some short requests."""
    asked = [(name, number) for name in asker.ways for number in NUMBERS]
    ends = await asyncio.gather(*(asker.ways[name](number, SHORT) for name, number in asked))
    return dict(zip(asked, ends, strict=True))


async def ends_around(asker, kill):
    """How requests of each way end that run when something is killed, by way."""
    asked = [(name, number) for name in asker.ways for number in NUMBERS]
    asker.num_begun = 0
    tasks = [asyncio.create_task(asker.ways[name](number, LONG)) for name, number in asked]
    await asker.until_begun(3 * len(NUMBERS))
    await kill()
    async with asyncio.timeout(PATIENCE_S):
        ends = await asyncio.gather(*tasks)
    return {name: [end for (way, _), end in zip(asked, ends, strict=True) if way == name] for name in asker.ways}


async def until_serving(asker):
    """Waits until every way answers again; for how many seconds."""
    begun_at = time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        for way in asker.ways.values():
            while (await way(0, 1)).kind != ANSWERED:
                pass
    return time.perf_counter() - begun_at


def tell(took_s):
    """Tells how long it took until it served again, for docs/reliability.md."""
    print(f"serving again after: median {statistics.median(took_s):.2f} s, most {max(took_s):.2f} s of {len(took_s)}")


@each_number_of_rounds
async def test_the_engine(stack, asker, rounds):
    before, took_s = await answers_of(asker), []

    async def kill():
        os.kill(stack.engine_pid, signal.SIGKILL)

    for _ in range(rounds):
        ends = await ends_around(asker, kill)
        assert {end.kind for told in ends.values() for end in told} <= {ANSWERED, TOLD}
        for name in ("native_stream", "openai_stream", "run_stream"):
            assert all("engine failed while it was running" in end.text for end in ends[name]), ends[name]
        took_s.append(await until_serving(asker))
        assert await answers_of(asker) == before
        if len(took_s) % 4 == 0:  # after five deaths within a minute an engine stays down
            await restart_service(stack)
            await until_serving(asker)
    await until_idle(stack)
    tell(took_s)


async def restart_service(stack):
    """Kills the service, engine and all, and starts it again."""
    stack.kill("service")
    await asyncio.to_thread(stack.start_service)


@each_number_of_rounds
async def test_the_service(stack, asker, rounds):
    before, took_s = await answers_of(asker), []

    async def kill():
        stack.kill("service")

    for _ in range(rounds):
        ends = await ends_around(asker, kill)
        for name, told in ends.items():
            assert {end.kind for end in told} == {TOLD}, name
        refused = await asker.native(0, SHORT)
        assert refused.text.startswith("503 2: "), "with Retry-After"
        begun_at = time.perf_counter()
        await asyncio.to_thread(stack.start_service)
        await until_serving(asker)
        took_s.append(time.perf_counter() - begun_at)
        assert await answers_of(asker) == before
    await until_idle(stack)
    tell(took_s)


@each_number_of_rounds
async def test_the_bridge(stack, asker, rounds):
    before, took_s = await answers_of(asker), []

    async def kill():
        stack.kill("bridge")

    for _ in range(rounds):
        ends = await ends_around(asker, kill)
        for name in ("native", "native_stream", "openai_stream"):
            assert {end.kind for end in ends[name]} == {LOST}
        for name in ("run", "run_stream"):
            assert {end.kind for end in ends[name]} == {ANSWERED}, "who asks the service itself notices nothing"
        await until_idle(stack)
        begun_at = time.perf_counter()
        await asyncio.to_thread(stack.start_bridge)
        await until_serving(asker)
        took_s.append(time.perf_counter() - begun_at)
        assert await answers_of(asker) == before
    tell(took_s)


@each_number_of_rounds
async def test_the_lanes_for_work_that_may_never_end(stack, asker, rounds):
    """Neither a request that needs none nor one that needs a new one notices."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    body = {"prompt": "a number", "max_tokens": 60, "temperature": 0}
    body["response_format"] = {"type": "json_schema", "json_schema": schema}

    async def constrained():
        async with asker.http.post(f"{stack.url}/client/v4/accounts/acc/ai/run/{MODEL}", json=body) as response:
            return response.status, (await response.json())["result"]["response"]

    def lanes():
        below = psutil.Process(stack.processes["service"].pid).children(recursive=True)
        return [process for process in below if process.pid != stack.engine_pid]

    async def kill():
        for process in lanes():
            process.kill()

    first, before = await constrained(), await answers_of(asker)
    assert first[0] == 200
    assert lanes()
    for _ in range(rounds):
        ends = await ends_around(asker, kill)
        assert {end.kind for told in ends.values() for end in told} == {ANSWERED}
        assert await constrained() == first
        assert await answers_of(asker) == before
    await until_idle(stack)
