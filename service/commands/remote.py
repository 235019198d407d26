"""What `python -m service` tells a service that runs: to load a model, or to unload one."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from runstream.v1 import models_pb2, models_pb2_grpc

from service.config import ConfigError
from service.rpc.ports import check_target
from transport.addresses import ClearTextError, check_target_of_token
from transport.certificates import CertificateError, client_files


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
_file = functools.partial(click.option, show_envvar=True, type=click.Path(path_type=Path))
_tls = (
    _file(
        "--service-ca",
        "ca",
        envvar="RUNSTREAM_SERVICE_CA",
        help="A PEM file with the certificates that the service's must come from; with it, it is asked with TLS.",
    ),
    _file(
        "--service-cert", "cert", envvar="RUNSTREAM_SERVICE_CERT", help="A PEM file with the certificate to show it."
    ),
    _file("--service-key", "key", envvar="RUNSTREAM_SERVICE_KEY", help="A PEM file with its private key."),
    click.option("--allow-plaintext-token", is_flag=True, help="Send the token without TLS to another machine."),
)


_HEALTH_TIMEOUT_S = 4.0


def _with_options(*options: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_asks_a_service = _with_options(_model, _service, *_tls, _token)


@click.command(short_help="Has a service that runs load a model.")
@_asks_a_service
def load(model_id: str, target: str, token: str, **tls: Any) -> None:
    """Has a service that runs load MODEL of its catalog, and waits for that."""
    with _open(target, token, **tls) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        _tell(_ask(stub.LoadModel, models_pb2.LoadModelRequest(model=model_id), target, token))


@click.command(short_help="Has a service that runs unload a model.")
@_asks_a_service
def unload(model_id: str, target: str, token: str, **tls: Any) -> None:
    """Has a service that runs unload MODEL, once the requests that it answers have ended or had 30 seconds.

    Whether the next request loads it again is up to the service's --load.
    """
    with _open(target, token, **tls) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        _tell(_ask(stub.UnloadModel, models_pb2.UnloadModelRequest(model=model_id), target, token))


@click.command(short_help="Tells whether a service that runs can answer.")
@_with_options(_service, *_tls)
def health(target: str, **tls: Any) -> None:
    """Tells the health of a service that runs: exit status 0 if it can answer, else 1. No token is sent."""
    with _open(target, "", **tls) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            status = check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_TIMEOUT_S).status
        except grpc.RpcError as error:
            sys.exit(f"error: {target}: {error.details()} ({error.code().name})")
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
    click.echo(f"{target}: {name}")
    sys.exit(0 if status == health_pb2.HealthCheckResponse.SERVING else 1)


def _open(
    target: str, token: str, ca: Path | None, cert: Path | None, key: Path | None, allow_plaintext_token: bool
) -> grpc.Channel:
    try:
        files = client_files(ca, cert, key)
        pem = files.read() if files else None
        if token and not (files or allow_plaintext_token):
            check_target_of_token(target)
    except (CertificateError, ClearTextError) as error:
        sys.exit(f"error: {error}")
    if pem is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(pem.ca, pem.key, pem.chain))


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
