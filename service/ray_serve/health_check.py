"""Health as gRPC defines it, through Ray's proxy."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2


def add_health_check_to_server(servicer: Any, server: Any) -> None:
    """Has a server answer `Check`. Not `Watch`: each watcher would count as a request that never ends."""
    check = grpc.unary_unary_rpc_method_handler(
        servicer.Check,
        request_deserializer=health_pb2.HealthCheckRequest.FromString,
        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})
    server.add_generic_rpc_handlers((handler,))
