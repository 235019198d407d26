"""Reflection, by which clients ask what a server speaks: as grpc.reflection.v1, and under its older name v1alpha."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from google.protobuf import text_format
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from runstream.v1 import errors_pb2

from service.rpc.auth import Callers
from service.rpc.request_id import request_id_of
from service.rpc.status import error_status

_V1ALPHA = reflection.SERVICE_NAME
_V1 = _V1ALPHA.replace("v1alpha", "v1")
# No service names these, but statuses carry them.
_FILES_OF_STATUSES = (errors_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # it has no types
    """Tells those who may call the services about them. The two versions differ in nothing but their names.

    Args:
        files: The files of the services.
        callers: Tells who may ask.
        count_failure: Gets the `reason` of a failure.
    """

    def __init__(self, files: Iterable[FileDescriptor], callers: Callers, count_failure: Callable[[str], None]) -> None:
        files = (*files, reflection_pb2.DESCRIPTOR)
        names = [service.full_name for file in files for service in file.services_by_name.values()]
        super().__init__((*names, _V1), _pool_of((*files, *_FILES_OF_STATUSES)))
        self._callers = callers
        self._count_failure = count_failure

    def add_to(self, server: grpc.aio.Server) -> None:
        """Has a server answer both versions."""
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self, server)
        method = grpc.stream_stream_rpc_method_handler(
            self.ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        methods = {"ServerReflectionInfo": method}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1, methods),))

    # A coroutine that writes, for the same reason as RunStream.
    async def ServerReflectionInfo(  # noqa: N802
        self, request_iterator: AsyncIterator[reflection_pb2.ServerReflectionRequest], context: Any
    ) -> None:
        """Answers each question."""
        async with error_status(context, request_id_of(context), self._count_failure):
            async for answer in super().ServerReflectionInfo(self._allowed(request_iterator, context), context):
                await context.write(answer)

    # Not before the question has come: a client whose write fails since the call has ended takes that for its status.
    async def _allowed(
        self, questions: AsyncIterator[reflection_pb2.ServerReflectionRequest], context: Any
    ) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        async for question in questions:
            self._callers.identify(context)
            yield question


def _pool_of(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """Some files, those that they need, and that of reflection's version 1, which no package has."""
    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name not in added:
            added.add(file.name)
            for needed in file.dependencies:
                add(needed)
            pool.Add(_proto_of(file))

    for file in files:
        add(file)
    text = text_format.MessageToString(_proto_of(reflection_pb2.DESCRIPTOR)).replace("v1alpha", "v1")
    pool.Add(text_format.Parse(text, FileDescriptorProto()))
    return pool


def _proto_of(file: FileDescriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto
