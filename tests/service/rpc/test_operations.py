"""Operations of gRPC go on whoever waits for them, and leave no memory behind, however they end."""

import asyncio
import contextlib
import ctypes
import itertools
import sys
from typing import Any

import grpc
import pytest

from service.rpc.operations import Operations

pytestmark = pytest.mark.asyncio

NUM_CLIENTS = 400
MOST_BYTES = 80  # for each client; 180 to 400 stay where the handler waits for its writes itself


class Steps:
    """Operations as gRPC's, each of which ends when the test says so.

    Attributes:
        begun: What was asked for.
        ended: What has come to its end.
        num_told: How many ended well.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.num_told = 0
        self.futures: list[asyncio.Future[None]] = []

    async def make(self, number: int) -> None:
        self.begun.append(number)
        self.futures.append(asyncio.get_running_loop().create_future())
        await self.futures[-1]
        self.ended.append(number)

    def told(self) -> None:
        self.num_told += 1


async def test_one_follows_the_other():
    steps = Steps()
    operations = Operations(steps.make, steps.told)
    await operations.start(1)
    second = asyncio.create_task(operations.start(2))
    await asyncio.sleep(0)
    assert (steps.begun, steps.num_told) == ([1], 0)
    steps.futures[0].set_result(None)
    await second
    assert (steps.begun, steps.num_told) == ([1, 2], 1)
    end = asyncio.create_task(operations.end())
    await asyncio.sleep(0)
    assert not end.done()
    steps.futures[1].set_result(None)
    await end
    assert (steps.ended, steps.num_told) == ([1, 2], 2)
    await operations.end()


async def test_who_is_cancelled_leaves_the_operation_alone():
    steps = Steps()
    operations = Operations(steps.make, steps.told)
    await operations.start(1)
    waiting = asyncio.create_task(operations.end())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    steps.futures[0].set_result(None)
    await operations.end()
    assert steps.ended == [1]


async def test_a_failure_of_grpcs_is_told_and_the_operation_comes_to_its_end_all_the_same():
    steps = Steps()
    operations = Operations(steps.make, steps.told)
    await operations.start(1)
    steps.futures[0].set_exception(grpc.aio.InternalError("the stream is closed"))
    with pytest.raises(grpc.aio.InternalError, match="the stream is closed"):
        await operations.end()
    with pytest.raises(grpc.aio.InternalError):
        await operations.start(2)
    assert (steps.begun, steps.ended, steps.num_told) == ([1], [1], 0)


async def test_what_is_raised_is_told():
    async def broken(_: int) -> None:
        raise ValueError("broken")

    operations = Operations(broken, lambda: pytest.fail("it did not end well"))
    with pytest.raises(ValueError, match="broken"):
        await operations.start(1)


class _Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in ["a", "b", "c", "d", "e", "f", "g", "uordblks", "h", "i"])


def bytes_in_use() -> int:
    """What has been allocated of glibc's heap and not been freed."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Heap
    return int(mallinfo().uordblks)


async def write_on(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
    """Writes as fast as the caller takes it, as a handler does."""
    writes = Operations(context.write, lambda: None)
    for _ in itertools.count():
        await writes.start(b"y" * 100)


def leave(stream: Any, times: int) -> None:
    """Takes a part of a stream and leaves it. The client that blocks keeps nothing of its own operations."""
    for _ in range(times):
        call = stream(b"")
        next(call)
        call.cancel()
        with contextlib.suppress(grpc.RpcError):
            for _ in call:
                pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc's heap")
async def test_clients_that_leave_while_a_message_is_on_its_way_leave_no_memory_behind():
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Stream": grpc.unary_stream_rpc_method_handler(write_on)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    grown = []
    with grpc.insecure_channel(target) as channel:
        stream: Any = channel.unary_stream("/test.Test/Stream")
        for _ in range(4):
            before = bytes_in_use()
            await asyncio.to_thread(leave, stream, NUM_CLIENTS)
            grown.append((bytes_in_use() - before) / NUM_CLIENTS)
    await server.stop(None)
    assert min(grown[1:]) < MOST_BYTES, grown
