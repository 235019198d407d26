"""What `python -m service` tells a service that runs: to load a model, or to unload one."""

import sys
from pathlib import Path
from typing import Any

import click
import grpc
from runstream.v1 import models_pb2, models_pb2_grpc

from service.config import ConfigError
from service.rpc.ports import check_target
from service.rpc.tls import read_certificates


def _target(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        check_target(value)
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None
    return value


_model = click.argument("model_id", metavar="MODEL")
_service = click.option(
    "--service",
    "target",
    envvar="RUNSTREAM_SERVICE",
    show_envvar=True,
    default="127.0.0.1:50051",
    show_default=True,
    callback=_target,
    help="The service: host:port, or unix:/path for a socket.",
)
_token = click.option(
    "--token",
    envvar="RUNSTREAM_SERVICE_TOKEN",
    show_envvar=True,
    default="",
    help="The service's token. Better in its variable.",
)
_ca = click.option(
    "--service-ca",
    "ca",
    envvar="RUNSTREAM_SERVICE_CA",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="A PEM file with the certificates that the service's must come from; with it, the service is asked with TLS.",
)


@click.command(short_help="Has a service that runs load a model.")
@_model
@_service
@_ca
@_token
def load(model_id: str, target: str, ca: Path | None, token: str) -> None:
    """Has a service that runs load MODEL of its catalog, and waits for that."""
    with _open(target, ca) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        _tell(_ask(stub.LoadModel, models_pb2.LoadModelRequest(model=model_id), target, token))


@click.command(short_help="Has a service that runs unload a model.")
@_model
@_service
@_ca
@_token
def unload(model_id: str, target: str, ca: Path | None, token: str) -> None:
    """Has a service that runs unload MODEL, once the requests that it answers have ended or had 30 seconds.

    Whether the next request loads it again is up to the service's --load.
    """
    with _open(target, ca) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        _tell(_ask(stub.UnloadModel, models_pb2.UnloadModelRequest(model=model_id), target, token))


def _open(target: str, ca: Path | None) -> grpc.Channel:
    if ca is None:
        return grpc.insecure_channel(target)
    try:
        roots = read_certificates("--service-ca", ca)
    except ConfigError as error:
        sys.exit(f"error: {error}")
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(roots))


def _ask(call: Any, request: Any, target: str, token: str) -> models_pb2.Model:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    try:
        model: models_pb2.Model = call(request, metadata=metadata).model
    except grpc.RpcError as error:
        code, text = error.code(), error.details()
        sys.exit(f"error: {target}: {text} ({code.name})")
    return model


def _tell(model: models_pb2.Model) -> None:
    state = models_pb2.ModelState.Name(model.state).removeprefix("MODEL_STATE_")
    click.echo(f"{model.id}: {state}{f': {model.state_detail}' if model.state_detail else ''}")
