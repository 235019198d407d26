"""One replica: a whole service, but for its port."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message as ProtobufMessage
from grpc_health.v1 import health_pb2
from ray.serve.grpc_util import RayServegRPCContext
from runstream.v1 import batches_pb2, models_pb2, text_generation_pb2
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from logs.writing import write_log
from service.config import ServiceConfig
from service.ray_serve.answers import Failure, Message
from service.ray_serve.metrics_port import with_free_metrics_port
from service.rpc.http2 import MAX_MESSAGE_BYTES
from service.server import Service

_log = logging.getLogger(__name__)

_OF_ONE_REPLICA: Final = frozenset({"LoadModel", "UnloadModel"})
_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}


class Replica:
    """Answers the calls that Ray's proxy passes on. Ray finds a method by the name of the RPC.

    Args:
        config: The settings.
    """

    async def __init__(self, config: ServiceConfig) -> None:  # type: ignore[misc]  # Ray awaits it
        write_log("service", logging.INFO, config.log_format)
        service = Service(with_free_metrics_port(config), _log.info, has_port=False)
        try:
            await service.start()
        except BaseException:
            await service.stop()
            raise
        assert service.local_calls is not None
        self._service, self._calls = service, service.local_calls

    async def __call__(self, http_request: Request) -> PlainTextResponse:
        """Answers whatever Ray's HTTP proxy passes on."""
        return PlainTextResponse("Only gRPC is answered here; HTTP is the bridge's.\n", status_code=404)

    async def check_health(self) -> None:
        """Tells Ray whether this replica is alive.

        Raises:
            RuntimeError: No model of it serves; Ray then starts another.
        """
        if not self._service.is_serving:
            raise RuntimeError("no model serves: see the replica's log")

    async def __del__(self) -> None:
        # Ray calls it once the calls have ended, or their time is over.
        if hasattr(self, "_service"):
            await self._service.stop()

    async def answer(
        self, method: MethodDescriptor, request: ProtobufMessage, context: RayServegRPCContext
    ) -> AsyncGenerator[Message | Failure, None]:
        """The messages of an answer, and a failure at the end if it is one. Closing it aborts the request."""
        name = f"/{method.containing_service.full_name}/{method.name}"
        message = request.SerializeToString()
        if len(message) > MAX_MESSAGE_BYTES:
            yield _fail(context, grpc.StatusCode.RESOURCE_EXHAUSTED, f"the message has over {MAX_MESSAGE_BYTES} bytes")
            return
        if method.name in _OF_ONE_REPLICA:
            yield _fail(context, grpc.StatusCode.UNIMPLEMENTED, "the application's config says which models there are")
            return
        call = self._calls.call(name, context.invocation_metadata(), message, context.peer())
        async with aclosing(call.parts()) as parts:
            async for part in parts:
                # Of initial metadata Ray has none: what belongs there is told at the end.
                context.set_trailing_metadata(list(call.told))
                yield Message(part)
        assert call.end is not None
        context.set_trailing_metadata([*call.told, *call.end.metadata])
        if call.end.code:
            yield _fail(context, _STATUS[call.end.code], call.end.details)


def _fail(context: RayServegRPCContext, code: grpc.StatusCode, details: str) -> Failure:
    context.set_code(code)
    context.set_details(details)
    return Failure(code, details)


def _whole(method: MethodDescriptor) -> Any:
    async def answer(self: Replica, request: Any, grpc_context: RayServegRPCContext) -> Message | Failure:
        *_, last = [each async for each in self.answer(method, request, grpc_context)]
        return last

    return answer


def _in_parts(method: MethodDescriptor) -> Any:
    async def answer(
        self: Replica, request: Any, grpc_context: RayServegRPCContext
    ) -> AsyncGenerator[Message | Failure, None]:
        async with aclosing(self.answer(method, request, grpc_context)) as answers:
            async for each in answers:
                yield each

    return answer


for _file in (text_generation_pb2, models_pb2, batches_pb2, health_pb2):
    for _rpc_service in _file.DESCRIPTOR.services_by_name.values():
        for _method in _rpc_service.methods:
            setattr(Replica, _method.name, (_in_parts if _method.server_streaming else _whole)(_method))
