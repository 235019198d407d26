"""The handlers of the service's RPCs, run for calls that edge workers hold."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc

from service.edge_workers.link import Link
from service.edge_workers.messages import Begin, Came, FromWorker, Left, Metadata, Written
from service.edge_workers.remote_call import RemoteCall

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class CallDetails:
    """What interceptors and generic handlers are told of a call."""

    method: str
    invocation_metadata: Metadata


Calls = dict[int, tuple[RemoteCall, asyncio.Task[None]]]


class Handlers:
    """Finds the handler of a call, and runs it: what else grpc.aio's server does.

    Args:
        interceptors: What stands before the handlers, the outermost first. The innermost makes them handlers of many
            messages, which take theirs from the context.
    """

    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor]) -> None:
        self._generic: list[grpc.GenericRpcHandler] = []
        find: Callable[[Any], Awaitable[Any]] = self._find
        for interceptor in reversed(interceptors):
            find = partial(interceptor.intercept_service, find)
        self._find_intercepted = find

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Adds handlers, as to grpc.aio's server."""
        self._generic += handlers

    def add_registered_method_handlers(self, service: str, methods: dict[str, Any]) -> None:
        """Does nothing: generated code adds the same ones as generic handlers."""

    async def serve(self, link: Link) -> None:
        """Answers the calls of one worker until that is gone, which cancels those that are left."""
        calls: Calls = {}
        try:
            while (message := await link.receive()) is not None:
                self._take(message, link, calls)
        finally:
            for _, task in calls.values():
                task.cancel()

    def _take(self, message: FromWorker, link: Link, calls: Calls) -> None:
        if isinstance(message, Begin):
            call = RemoteCall(link, message)
            task = asyncio.create_task(self.answer(call, message))
            calls[message.id] = call, task
            task.add_done_callback(partial(_forget, calls, message.id))
        elif isinstance(message, Written | Came | Left) and (known := calls.get(message.id)):
            call, task = known
            if isinstance(message, Written):
                call.note_written()
            elif isinstance(message, Came):
                call.take(message.message)
            else:
                task.cancel()

    async def answer(self, call: RemoteCall, begin: Begin) -> None:
        """Answers one call, whatever comes of it."""
        try:
            handler = await self._find_intercepted(CallDetails(begin.method, begin.metadata))
            if handler is None:
                await call.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            call.serialize = handler.response_serializer
            if handler.response_streaming:
                await handler.stream_stream(None, call)
            else:
                await call.write(await handler.stream_unary(None, call))
        except grpc.aio.AbortError:
            pass
        except asyncio.CancelledError:
            call.set_code(grpc.StatusCode.CANCELLED)
            raise
        except Exception:
            _log.exception("a handler of %s failed", begin.method)
            call.set_code(grpc.StatusCode.INTERNAL)
            call.set_details("internal error")
        finally:
            call.end()

    async def _find(self, details: CallDetails) -> Any:
        found = (generic.service(details) for generic in self._generic)
        return next((handler for handler in found if handler is not None), None)


def _forget(calls: Calls, number: int, _task: asyncio.Task[None]) -> None:
    del calls[number]
