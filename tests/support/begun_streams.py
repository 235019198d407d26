"""Streams that have begun, and the errors with which they end."""

import grpc
import pytest
from runstream.v1 import text_generation_pb2 as pb

from tests.support.running_service import Stubs, ask

Stream = grpc.aio.UnaryStreamCall[pb.RunRequest, pb.RunStreamResponse]
ENDLESS = 20_000


async def error_of(call: Stream) -> grpc.aio.AioRpcError:
    """Reads a stream to its error."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    pytest.fail("the stream ended without an error")


async def begun_stream(stubs: Stubs, max_tokens: int = ENDLESS, timeout_s: float | None = None) -> Stream:
    """A stream that has had its first part."""
    call = stubs.text_generation.RunStream(ask(max_tokens=max_tokens), timeout=timeout_s)
    await call.read()
    return call
