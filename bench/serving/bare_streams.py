"""Servers that only stream: what grpc.aio and aiohttp themselves take for the messages that service and bridge send.

    python -m bench.serving.bare_streams service --tokens-per-s 3200
    python -m bench.serving.bare_streams bridge --service 127.0.0.1:PORT

The first writes a message made beforehand for each token, the second reads such messages as bytes, parses nothing and
writes an event made beforehand for each. All streams of the first have their token at the same time, as from an engine.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import click
import grpc
from aiohttp import web
from runstream.v1 import text_generation_pb2 as pb

METHOD = "/bench.Bare/Stream"
NUM_TOKENS_HEADER = "num-tokens"
MESSAGE = pb.RunStreamResponse(
    id="5a1c6a5e-0000-4000-8000-000000000000", served_model="@runstream/demo", text=" token"
).SerializeToString()
EVENT = b'data: {"response":" token"}\n\n'
LAST_EVENT = b"data: [DONE]\n\n"


class Ticks:
    """Lets all streams go on together, each time after as long as one token of each takes.

    Args:
        tokens_per_s: Of all streams together.
    """

    def __init__(self, tokens_per_s: float) -> None:
        self._tokens_per_s = tokens_per_s
        self._tick = asyncio.Event()
        self._num_streams = 0

    @contextlib.contextmanager
    def stream(self) -> Any:
        """Counts a stream."""
        self._num_streams += 1
        try:
            yield self
        finally:
            self._num_streams -= 1

    async def wait(self) -> None:
        """Waits for the next token."""
        await self._tick.wait()

    async def run(self) -> None:
        """Ticks until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(loop.time(), due + max(1, self._num_streams) / self._tokens_per_s)
            await asyncio.sleep(due - loop.time())
            tick, self._tick = self._tick, asyncio.Event()
            tick.set()


class _BareService(grpc.GenericRpcHandler):
    def __init__(self, ticks: Ticks) -> None:
        self._handler: Any = grpc.unary_stream_rpc_method_handler(self._stream)
        self._ticks = ticks

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == METHOD else None

    async def _stream(self, request: bytes, context: Any) -> None:
        with self._ticks.stream() as ticks:
            for _ in range(int(request)):
                await ticks.wait()
                await context.write(MESSAGE)


async def serve_grpc(tokens_per_s: float) -> None:
    """Streams over gRPC until it is ended."""
    ticks = Ticks(tokens_per_s)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_BareService(ticks),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await ticks.run()


async def bare_parts(channel: grpc.aio.Channel, num_tokens: int) -> AsyncIterator[bytes]:
    """The messages of a stream, as bytes."""
    stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
    async for message in stream(str(num_tokens).encode()):
        yield message


async def serve_events(service: str) -> None:
    """Streams events over HTTP, one for each message that comes over gRPC, until it is ended."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for _ in bare_parts(channel, int(request.headers[NUM_TOKENS_HEADER])):
            await response.write(EVENT)
        await response.write(LAST_EVENT)
        return response

    async with grpc.aio.insecure_channel(service) as channel:
        app = web.Application()
        app.router.add_post("/", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()


@click.command(help=__doc__)
@click.argument("part", type=click.Choice(["service", "bridge"]))
@click.option("--tokens-per-s", default=3200.0, show_default=True)
@click.option("--service", default="", help="Where the bare service listens.")
def main(part: str, tokens_per_s: float, service: str) -> None:
    asyncio.run(serve_grpc(tokens_per_s) if part == "service" else serve_events(service))


if __name__ == "__main__":
    main()
