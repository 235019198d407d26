"""A stream gives its parts as they come, joins them, and ends the generation when it is left."""

import asyncio
import contextlib

import grpc
import pytest
from runstream import AsyncClient, CallCancelledError, Client, QueueFullError, ToolCall, ToolCallDelta
from runstream.results import Joined
from runstream.v1 import text_generation_pb2 as pb

from tests.support.fake_service import DEMO, failure, last_part, part
from tests.support.running_service import MODEL
from tests.support.whole_chain import WholeChain


class LeftError(Exception):
    """An error that a loop is left by."""


def leave_by_break(stream):
    for _ in stream:
        break


def leave_by_error(stream):
    with contextlib.suppress(LeftError):
        for _ in stream:
            raise LeftError


def leave_by_end_of_with(stream):
    with stream:
        next(stream)


def leave_by_cancel(stream):
    next(stream)
    stream.cancel()


def leave_by_close(stream):
    with contextlib.closing(stream):
        next(stream)


async def async_by_break(stream):
    async for _ in stream:
        break


async def async_by_error(stream):
    with contextlib.suppress(LeftError):
        async for _ in stream:
            raise LeftError


async def async_by_end_of_with(stream):
    async with stream:
        await anext(stream)


async def async_by_cancel(stream):
    await anext(stream)
    stream.cancel()


async def async_by_close(stream):
    async with contextlib.aclosing(stream):
        await anext(stream)


async def async_by_cancelled_task(stream):
    task = asyncio.create_task(stream.result())
    while not stream.text:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_error, leave_by_end_of_with, leave_by_cancel, leave_by_close]
)
async def test_leaving_cancels_the_call(fake, leave):
    fake.gate.clear()
    client = Client(fake.target)
    stream = client.stream(DEMO, prompt="p")
    await asyncio.to_thread(leave, stream)
    await fake.cancelled.wait()
    assert (list(stream), stream.text) == ([], "New")
    with pytest.raises(CallCancelledError, match="left before its last part"):
        stream.result()
    client.close()


@pytest.mark.parametrize(
    "leave",
    [async_by_break, async_by_error, async_by_end_of_with, async_by_cancel, async_by_close, async_by_cancelled_task],
)
async def test_leaving_cancels_the_call_under_asyncio(fake, leave):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        await leave(stream)
        await fake.cancelled.wait()
        assert ([part async for part in stream], stream.text) == ([], "New")
        with pytest.raises(CallCancelledError, match="left before its last part"):
            await stream.result()


async def test_a_stream_that_nobody_has_any_more_is_cancelled(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        await anext(client.stream(DEMO, prompt="p"))
        await fake.cancelled.wait()
    fake.cancelled.clear()
    with Client(fake.target) as other:
        await asyncio.to_thread(lambda: next(other.stream(DEMO, prompt="p")))
        await fake.cancelled.wait()


async def by_loop(client):
    return [part.text async for part in client.stream(DEMO, prompt="p")]


async def by_loop_over_a_generator(client):
    async def wrapped():
        async for each in client.stream(DEMO, prompt="p"):
            yield each.text

    return [text async for text in wrapped()]


async def by_iterator_alone(client):
    stream = client.stream(DEMO, prompt="p")
    iterator = aiter(stream)
    del stream
    return [part.text async for part in iterator]


async def by_with(client):
    async with client.stream(DEMO, prompt="p") as stream:
        return [part.text async for part in stream]


async def by_statement(client):
    texts = []
    async for each in client.stream(DEMO, prompt="p"):
        texts.append(each.text)
    return texts


@pytest.mark.parametrize("read", [by_loop, by_loop_over_a_generator, by_iterator_alone, by_with, by_statement])
async def test_a_stream_that_only_its_loop_has_gives_all_its_parts(fake, read):
    async with AsyncClient(fake.target) as client:
        assert await read(client) == ["New", " York", ""]


async def test_a_loop_that_alone_has_its_stream_cancels_it_when_it_is_left(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        async for _ in client.stream(DEMO, prompt="p"):
            break
        await fake.cancelled.wait()


async def test_an_iterator_that_is_dropped_unread_cancels_its_stream(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        iterator = aiter(client.stream(DEMO, prompt="p"))
        await fake.started.wait()
        del iterator
        await fake.cancelled.wait()


async def test_a_second_thread_is_told_that_another_reads_the_stream(fake):
    fake.gate.clear()
    with Client(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        await asyncio.to_thread(next, stream)
        both = [asyncio.create_task(asyncio.to_thread(list, stream)) for _ in range(2)]
        (refused,), (waiting,) = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(RuntimeError, match="another thread waits for this stream's next part: only one at a time"):
            await refused
        fake.gate.set()
        assert [part.text for part in await waiting] == [" York", ""]


async def test_cancelling_from_elsewhere_ends_the_loop_and_not_its_task(fake):
    fake.gate.clear()
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        await anext(stream)
        asyncio.get_running_loop().call_soon(stream.cancel)
        assert [part async for part in stream] == []


async def test_cancelling_from_another_thread_ends_the_loop(fake):
    fake.gate.clear()
    with Client(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        await asyncio.to_thread(next, stream)
        rest = asyncio.create_task(asyncio.to_thread(list, stream))
        stream.cancel()
        assert await rest == []


async def test_parts_come_one_by_one_and_the_result_is_the_whole(fake):
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        parts = [part async for part in stream]
        result = await stream.result()
        assert result == await client.run(DEMO, prompt="p")
    assert [(part.text, part.finish_reason) for part in parts] == [("New", None), (" York", None), ("", "stop")]
    assert (parts[0].usage, parts[-1].usage) == (None, result.usage)
    with Client(fake.target) as other:
        assert await asyncio.to_thread(lambda: other.stream(DEMO, prompt="p").result()) == result


async def test_an_error_in_a_stream_comes_after_what_was_sent(fake):
    fake.parts, fake.status = [part("New")], failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "full")
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        with pytest.raises(QueueFullError, match="full"):
            await stream.result()
        assert stream.text == "New"


async def test_parts_of_calls_are_told_and_joined(fake):
    deltas = [
        pb.ToolCallDelta(index=0, id="1", name="f", arguments_json='{"a"'),
        pb.ToolCallDelta(index=1, id="2", name="g", arguments_json="{}"),
        pb.ToolCallDelta(index=0, arguments_json=": 1}"),
    ]
    fake.parts = [part("", tool_calls=[delta]) for delta in deltas] + [last_part()]
    async with AsyncClient(fake.target) as client:
        stream = client.stream(DEMO, prompt="p")
        assert (await anext(stream)).tool_calls == (ToolCallDelta(0, "1", "f", '{"a"'),)
        assert (await stream.result()).tool_calls == (ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", "{}"))


def test_joining_keeps_every_field_of_the_contract():
    logprob = pb.TokenLogprob(token_id=3, token=b"a", logprob=-1.0)
    parts = [
        part("", reasoning_content="Well", prompt_logprobs=[logprob]),
        part("a", reasoning_content=".", logprobs=[logprob]),
        last_part("b", logprobs=[logprob], matched_stop="END", matched_stop_token_id=0),
    ]
    joined = Joined()
    for one in parts:
        joined.add(one)
    whole = pb.RunResponse(
        id="fake",
        served_model=DEMO,
        text="ab",
        reasoning_content="Well.",
        logprobs=[logprob] * 2,
        prompt_logprobs=[logprob],
        finish_reason=pb.FINISH_REASON_STOP,
        matched_stop="END",
        matched_stop_token_id=0,
        usage=parts[-1].usage,
    )
    assert joined.response() == whole
    names = {field.name for field in pb.RunResponse.DESCRIPTOR.fields} - {"tool_calls"}
    assert {field.name for field, _ in whole.ListFields()} == names, "a new field must be joined, too"


@pytest.mark.asyncio(loop_scope="session")
async def test_leaving_frees_the_engine(chain: WholeChain):
    async with AsyncClient(f"127.0.0.1:{chain.service.service.port}") as client:
        stream = client.stream(MODEL, prompt="Where is New York?", temperature=0.0, max_tokens=20_000)
        async for _ in stream:
            break
        await chain.until_idle()
