"""An edge worker's process: gRPC's connections, whose calls it passes on as bytes."""

import asyncio
import contextlib
import functools
import itertools
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from logs.grpc_log import quiet_grpc
from logs.writing import write_log
from service.config import ConfigError, ServiceConfig
from service.edge_workers.link import Link
from service.edge_workers.messages import (
    Begin,
    Came,
    End,
    Initial,
    Left,
    Listening,
    Metadata,
    Part,
    Stop,
    ToWorker,
    Wanted,
    Written,
)
from service.rpc.calls import ServicerContext
from service.rpc.operations import Operations
from service.rpc.ports import address
from service.rpc.tls import server_credentials

# How long a caller has to take the last parts before an error.
LAST_PARTS_S: Final = 1.0

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Call:
    """A call on its way: what its caller sends goes to the service when that wants it, the answer to the caller.

    Args:
        id: Its number.
        context: grpc.aio's.
        link: To the service.
    """

    def __init__(self, id: int, context: ServicerContext, link: Link) -> None:  # noqa: A002 - its name in messages
        self._id = id
        self._context = context
        self._link = link
        self._writes = Operations(context.write, lambda: link.send(Written(id)))
        self._reading: asyncio.Task[None] | None = None
        self._came: asyncio.Queue[ToWorker] = asyncio.Queue()
        self._limit = asyncio.timeout(None)
        self._end: End | None = None

    def take(self, message: ToWorker) -> None:
        """Takes what the service sends."""
        if isinstance(message, End):
            self._end = message
            if message.code:
                self._limit.reschedule(asyncio.get_running_loop().time() + LAST_PARTS_S)
        self._came.put_nowait(message)

    async def serve(self) -> None:
        """Carries out what the service sends, up to the call's end."""
        try:
            with contextlib.suppress(TimeoutError):
                async with self._limit:
                    while not isinstance(message := await self._came.get(), End):
                        await self._carry_out(message)
                    await self._writes.end()
        finally:
            if self._reading:
                self._reading.cancel()
        assert self._end is not None
        if self._end.code:
            await self._context.abort(_CODES[self._end.code], self._end.details, self._end.metadata)
        self._context.set_trailing_metadata(self._end.metadata)

    async def _carry_out(self, message: ToWorker) -> None:
        match message:
            case Part():
                await self._writes.start(message.message)
            case Initial():
                await self._context.send_initial_metadata(message.metadata)
            case Wanted():
                self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        message = await self._context.read()
        self._link.send(Came(self._id, None if message is grpc.aio.EOF else message))


class Forwarding(grpc.GenericRpcHandler):
    """Takes calls of any method. On the wire calls of one message and calls of many look alike."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: dict[int, Call] = {}
        self._numbers = itertools.count(1)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any]":
        """The handler of a method."""
        return grpc.stream_stream_rpc_method_handler(functools.partial(self._forward, handler_call_details.method))

    def take(self, message: ToWorker) -> None:
        """Takes what the service sends for a call that has not ended."""
        if not isinstance(message, Stop) and (call := self._calls.get(message.id)):
            call.take(message)

    async def _forward(self, method: str, _requests: AsyncIterator[bytes], context: ServicerContext) -> None:
        number = next(self._numbers)
        call = self._calls[number] = Call(number, context, self._link)
        auth_context = {name: list(values) for name, values in context.auth_context().items()}
        metadata: Metadata = tuple((key, value) for key, value in context.invocation_metadata() or ())
        time_left_s = context.time_remaining()
        self._link.send(Begin(number, method, metadata, time_left_s, context.peer(), auth_context))
        has_ended = False
        try:
            await call.serve()
            has_ended = True
        except grpc.aio.AbortError:
            has_ended = True
            raise
        finally:
            del self._calls[number]
            if not has_ended:
                self._link.send(Left(number))


async def work(end: socket.socket) -> None:
    """Serves until the service says otherwise, or is gone."""
    link = await Link.over(end)
    config, port, options = await link.receive() or sys.exit(1)
    write_log("service", logging.INFO, config.log_format)
    forwarding = Forwarding(link)
    server = grpc.aio.server(handlers=[forwarding], options=options)
    try:
        _listen(server, config, port)
    except (ConfigError, RuntimeError) as error:
        link.send(Listening(str(error)))
        link.close()
        return
    await server.start()
    link.send(Listening(""))
    while (message := await link.receive()) is not None:
        if isinstance(message, Stop):
            stopping = asyncio.create_task(server.stop(message.grace_s))
            stopping.add_done_callback(lambda _: end.shutdown(socket.SHUT_RD))
        forwarding.take(message)
    await server.stop(0.0)
    link.close()


def _listen(server: grpc.aio.Server, config: ServiceConfig, port: int) -> None:
    where = address(config.host, port)
    if files := config.tls_files:
        server.add_secure_port(where, server_credentials(files))
    else:
        server.add_insecure_port(where)


def main() -> None:
    """Serves on the socket that the first argument names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is for the service, which then drains
    quiet_grpc()
    asyncio.run(work(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
